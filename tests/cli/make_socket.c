/*
 * make_socket NAME: make a socket in the file system, as a server leaves it.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (argc != 2 || strlen(argv[1]) >= sizeof(name.sun_path))
        return 2;
    strcpy(name.sun_path, argv[1]);
    return fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name));
}
