/*
 * aio_check FILE SECONDS: direct asynchronous writes, while another process reads the file through
 * the page cache. When a write has completed, a read must give what it wrote: what the other
 * process has put into the cache meanwhile must not stay there.
 *
 * Each round writes the whole file with one byte, in pieces that are under way at once, waits for
 * them, and reads it back. Says nothing when all is well.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE_LEN = 65536,
    PIECE_COUNT = 10,
    FILE_LEN = PIECE_LEN * PIECE_COUNT
};

static _Alignas(4096) uint8_t data[FILE_LEN], found[FILE_LEN];

static void expect(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "aio_check: %s (errno: %s)\n", what, strerror(errno));
    exit(1);
}

static pid_t reader_start(const char *path)
{
    pid_t pid = fork();
    int fd;

    expect(pid >= 0, "fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd = open(path, O_RDONLY);
    expect(fd >= 0, "open for reading");
    for (;;)
        expect(pread(fd, found, FILE_LEN, 0) == FILE_LEN, "the reader's read");
}

static void round_write(aio_context_t ctx, int fd, uint8_t byte)
{
    struct iocb pieces[PIECE_COUNT], *list[PIECE_COUNT];
    struct io_event events[PIECE_COUNT];

    memset(data, byte, sizeof(data));
    for (int i = 0; i < PIECE_COUNT; i++) {
        pieces[i] = (struct iocb){.aio_lio_opcode = IOCB_CMD_PWRITE,
                                  .aio_fildes = (uint32_t)fd,
                                  .aio_buf = (uintptr_t)data + (uintptr_t)i * PIECE_LEN,
                                  .aio_nbytes = PIECE_LEN,
                                  .aio_offset = (int64_t)i * PIECE_LEN};
        list[i] = &pieces[i];
    }
    expect(syscall(SYS_io_submit, ctx, PIECE_COUNT, list) == PIECE_COUNT, "io_submit");
    expect(syscall(SYS_io_getevents, ctx, PIECE_COUNT, PIECE_COUNT, events, NULL) == PIECE_COUNT,
           "io_getevents");
    for (int i = 0; i < PIECE_COUNT; i++)
        expect(events[i].res == PIECE_LEN, "a write has failed");
}

int main(int argc, char **argv)
{
    aio_context_t ctx = 0;
    int direct, buffered;
    time_t end;
    pid_t reader;

    if (argc != 3)
        return 2;
    end = time(NULL) + atoi(argv[2]);
    direct = open(argv[1], O_RDWR | O_CREAT | O_DIRECT, 0644);
    buffered = open(argv[1], O_RDONLY);
    expect(direct >= 0 && buffered >= 0, "open");
    expect(pwrite(direct, data, FILE_LEN, 0) == FILE_LEN, "the first write");
    expect(syscall(SYS_io_setup, PIECE_COUNT, &ctx) == 0, "io_setup");
    reader = reader_start(argv[1]);
    for (unsigned round = 1; time(NULL) < end; round++) {
        round_write(ctx, direct, (uint8_t)round);
        expect(pread(buffered, found, FILE_LEN, 0) == FILE_LEN, "read");
        expect(memcmp(found, data, FILE_LEN) == 0, "old bytes are read after a direct write");
    }
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    return 0;
}
