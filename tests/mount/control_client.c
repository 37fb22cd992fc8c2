/*
 * control_client STORE WHAT: a bad client of the control socket, which speaks what
 * fs/fuse/control_proto.h says with bytes of its own.
 *
 *     rubbish  bytes of no sense, many times
 *     early    frames of a tree before HELLO
 *     long     a frame that claims 4 GiB
 *     die      HELLO, a file, half of another one, and the end
 *     stall    HELLO, half a file, and then nothing, until standard input ends; says "stalled"
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *store)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int dir = open(store, O_PATH | O_DIRECTORY);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(name.sun_path, sizeof(name.sun_path), "/proc/self/fd/%d/control", dir);
    if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name))) {
        perror("control_client");
        exit(1);
    }
    close(dir);
    return fd;
}

static void send_bytes(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n <= 0)
            return; /* hung up on, which is right */
        p += n;
        len -= (size_t)n;
    }
}

static void send_frame(int fd, uint8_t type, const void *payload, uint32_t len)
{
    uint8_t head[5] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16),
                       (uint8_t)(len >> 24), type};

    send_bytes(fd, head, sizeof(head));
    send_bytes(fd, payload, len);
}

/* Everything until the daemon hangs up; 1 when there was anything. */
static int hear_all(int fd)
{
    char buf[4096];
    ssize_t n, any = 0;

    while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
        any = 1;
    return (int)any;
}

static void send_hello(int fd)
{
    uint8_t ready[5];

    send_frame(fd, 64, "\1\0\0\0\1/", 6);
    if (recv(fd, ready, sizeof(ready), MSG_WAITALL) != sizeof(ready) || ready[4] != 65) {
        fprintf(stderr, "control_client: the daemon is not ready\n");
        exit(1);
    }
}

/* A regular file, 0644, of one-letter name. */
static void send_entry(int fd, char name)
{
    uint8_t entry[] = {0xa4, 0x83, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 1, (uint8_t)name};

    send_frame(fd, 1, entry, sizeof(entry));
}

static void send_half_file(int fd, char name)
{
    static uint8_t data[1 + 500000];

    send_entry(fd, name);
    for (int i = 0; i < 5; i++) {
        uint32_t offset = (uint32_t)i * 500000;
        uint8_t frame[4] = {(uint8_t)(offset | 0x80), (uint8_t)(offset >> 7 | 0x80),
                            (uint8_t)(offset >> 14 | 0x80), (uint8_t)(offset >> 21 & 0x7f)};
        uint8_t *p = malloc(4 + 500000);

        if (!p)
            exit(1);
        memcpy(p, frame, 4);
        memcpy(p + 4, data, 500000);
        send_frame(fd, 3, p, 4 + 500000);
        free(p);
    }
}

static void rubbish(const char *store)
{
    uint8_t bytes[4096];

    for (unsigned round = 0; round < 50; round++) {
        int fd = connect_to(store);
        size_t len = 1 + (size_t)rand() % sizeof(bytes);

        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)rand();
        if (round % 2)
            send_hello(fd);
        if (round % 3)
            bytes[2] = bytes[3] = 0; /* a length that can be */
        send_bytes(fd, bytes, len);
        shutdown(fd, SHUT_WR);
        hear_all(fd);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc == 3 ? argv[2] : "";
    char c;
    int fd;

    if (!strcmp(what, "rubbish")) {
        rubbish(argv[1]);
        return 0;
    }
    if (argc != 3)
        return 2;
    fd = connect_to(argv[1]);
    if (!strcmp(what, "early")) {
        send_entry(fd, 'e');
        return !hear_all(fd);
    }
    send_hello(fd);
    if (!strcmp(what, "long")) {
        send_bytes(fd, "\xff\xff\xff\xff\1", 5);
        return !hear_all(fd);
    }
    send_entry(fd, 'w');
    send_frame(fd, 4, "\0", 1);
    send_half_file(fd, 'h');
    if (!strcmp(what, "stall")) {
        puts("stalled");
        fflush(stdout);
        while (read(STDIN_FILENO, &c, 1) > 0)
            ;
    }
    return 0;
}
