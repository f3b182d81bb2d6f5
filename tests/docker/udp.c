/* Datagrams in a container, which busybox has no words for: `udp serve PORT NAME` answers each with its
   name before it, `udp ask HOST PORT TEXT` prints the answer, which has five seconds to come. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int serve(const char *port, const char *name) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0) return perror("bind"), 1;
    for (;;) {
        char said[1024], answer[2048];
        struct sockaddr_in peer;
        socklen_t len = sizeof peer;
        ssize_t n = recvfrom(fd, said, sizeof said - 1, 0, (struct sockaddr *)&peer, &len);
        if (n < 0) return perror("recvfrom"), 1;
        said[n] = 0;
        int m = snprintf(answer, sizeof answer, "%s: %s", name, said);
        sendto(fd, answer, (size_t)m, 0, (struct sockaddr *)&peer, len);
    }
}

/* The name is looked up in the hosts file alone: a static program has no other way. */
static int address(const char *host, struct in_addr *found) {
    char line[4096];
    FILE *hosts = fopen("/etc/hosts", "r");
    while (hosts && fgets(line, sizeof line, hosts)) {
        char *word = strtok(line, " \t\n"), *name;
        while (word && (name = strtok(NULL, " \t\n")))
            if (!strcmp(name, host)) return inet_aton(word, found);
    }
    return inet_aton(host, found);
}

static int ask(const char *host, const char *port, const char *text) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    struct timeval patience = {.tv_sec = 5};
    char answer[2048];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (!address(host, &to.sin_addr)) return fprintf(stderr, "no host %s\n", host), 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to);
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    if (n < 0) return perror("recv"), 1;
    printf("%.*s\n", (int)n, answer);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "serve")) return serve(argv[2], argv[3]);
    if (argc == 5 && !strcmp(argv[1], "ask")) return ask(argv[2], argv[3], argv[4]);
    return fprintf(stderr, "udp serve PORT NAME | udp ask HOST PORT TEXT\n"), 2;
}
