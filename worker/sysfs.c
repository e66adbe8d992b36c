#include "worker/sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

enum { LINE_BYTES = 128 };

void sysfs_pci_format(const struct sysfs_pci *pci, char out[SYSFS_PCI_TEXT])
{
    int digits = pci->domain > 0xffff ? 8 : 4;
    /* the numbers are within their limits, so the text is within its own */
    (void)snprintf(out, SYSFS_PCI_TEXT, "%0*x:%02x:%02x.%x", digits, pci->domain, pci->bus & 0xffU,
                   pci->device & 0x1fU, pci->function & 7U);
}

/* Up to digits hex digits, then the end mark; false otherwise. */
static bool take_hex(const char **at, size_t digits, char end, unsigned *out)
{
    size_t length = strspn(*at, "0123456789abcdefABCDEF");
    if (length == 0 || length > digits || (*at)[length] != end) {
        return false;
    }
    *out = (unsigned)strtoul(*at, NULL, 16);
    *at += length + (end ? 1 : 0);
    return true;
}

bool sysfs_pci_parse(const char *text, struct sysfs_pci *out)
{
    struct sysfs_pci pci = { 0 };
    const char *colon = strchr(text, ':');
    bool has_domain = colon && strchr(colon + 1, ':');
    if ((has_domain && !take_hex(&text, 8, ':', &pci.domain)) ||
        !take_hex(&text, 2, ':', &pci.bus) || !take_hex(&text, 2, '.', &pci.device) ||
        !take_hex(&text, 1, '\0', &pci.function) || pci.device > 0x1f || pci.function > 7) {
        return false;
    }
    *out = pci;
    return true;
}

int sysfs_pci_compare(const struct sysfs_pci *left, const struct sysfs_pci *right)
{
    const unsigned a[] = { left->domain, left->bus, left->device, left->function };
    const unsigned b[] = { right->domain, right->bus, right->device, right->function };
    for (size_t i = 0; i < sizeof a / sizeof *a; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
    }
    return 0;
}

/* name may be "" for the folder itself. The kernel writes domains with as many digits as needed. */
static char *path_of(const struct sysfs_pci *pci, const char *name)
{
    const char *root = getenv("HWLOC_FSROOT");
    return alloc_format("%s/sys/bus/pci/devices/%04x:%02x:%02x.%x%s%s", root ? root : "",
                        pci->domain, pci->bus, pci->device, pci->function, *name ? "/" : "", name);
}

void sysfs_clean(char *text)
{
    for (; *text; text++) {
        if (!isascii((unsigned char)*text) || iscntrl((unsigned char)*text)) {
            *text = '?';
        }
    }
}

static char *read_line(const char *path)
{
    char bytes[LINE_BYTES];
    CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, bytes, sizeof bytes - 1) : -1;
    if (size <= 0) {
        return NULL;
    }
    bytes[size] = '\0';
    bytes[strcspn(bytes, "\n")] = '\0';
    sysfs_clean(bytes);
    return *bytes ? alloc_text(bytes) : NULL;
}

static int64_t read_int(const char *path)
{
    CLEANUP(cleanup_free) char *line = read_line(path);
    char *end = line;
    errno = 0;
    long long value = line ? strtoll(line, &end, 0) : -1;
    return line && end != line && !*end && errno == 0 && value >= 0 ? value : -1;
}

char *sysfs_text(const struct sysfs_pci *pci, const char *name)
{
    CLEANUP(cleanup_free) char *path = path_of(pci, name);
    return read_line(path);
}

int64_t sysfs_int(const struct sysfs_pci *pci, const char *name)
{
    CLEANUP(cleanup_free) char *path = path_of(pci, name);
    return read_int(path);
}

int sysfs_byte(const struct sysfs_pci *pci, const char *name, off_t offset)
{
    CLEANUP(cleanup_free) char *path = path_of(pci, name);
    CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char byte = 0;
    return fd >= 0 && pread(fd, &byte, 1, offset) == 1 ? byte : -1;
}

int64_t sysfs_sensor(const struct sysfs_pci *pci, const char *name)
{
    CLEANUP(cleanup_free) char *folder = path_of(pci, "hwmon");
    CLEANUP(cleanup_folder) DIR *listing = opendir(folder);
    struct dirent *entry = NULL;
    int64_t value = -1;
    while (listing && value < 0 && (entry = readdir(listing))) {
        if (strncmp(entry->d_name, "hwmon", 5) == 0) {
            CLEANUP(cleanup_free)
            char *path = alloc_format("%s/%s/%s", folder, entry->d_name, name);
            value = read_int(path);
        }
    }
    return value;
}

char *sysfs_driver(const struct sysfs_pci *pci)
{
    char target[LINE_BYTES * 4];
    CLEANUP(cleanup_free) char *path = path_of(pci, "driver");
    ssize_t size = readlink(path, target, sizeof target - 1);
    if (size <= 0) {
        return NULL;
    }
    target[size] = '\0';
    const char *slash = strrchr(target, '/');
    char *out = alloc_text(slash ? slash + 1 : target);
    sysfs_clean(out);
    return out;
}

bool sysfs_is_there(const struct sysfs_pci *pci)
{
    CLEANUP(cleanup_free) char *path = path_of(pci, "");
    return access(path, F_OK) == 0;
}

/* card0/card0-DP-1/status and the like. */
static bool has_screen(const char *folder, const char *card)
{
    CLEANUP(cleanup_free) char *inner = alloc_format("%s/%s", folder, card);
    CLEANUP(cleanup_folder) DIR *listing = opendir(inner);
    struct dirent *entry = NULL;
    size_t length = strlen(card);
    bool found = false;
    while (listing && !found && (entry = readdir(listing))) {
        if (strncmp(entry->d_name, card, length) == 0 && entry->d_name[length] == '-') {
            CLEANUP(cleanup_free) char *path = alloc_format("%s/%s/status", inner, entry->d_name);
            CLEANUP(cleanup_free) char *status = read_line(path);
            found = status && strcmp(status, "connected") == 0;
        }
    }
    return found;
}

bool sysfs_display(const struct sysfs_pci *pci)
{
    CLEANUP(cleanup_free) char *folder = path_of(pci, "drm");
    CLEANUP(cleanup_folder) DIR *listing = opendir(folder);
    struct dirent *entry = NULL;
    bool found = false;
    while (listing && !found && (entry = readdir(listing))) {
        if (strncmp(entry->d_name, "card", 4) == 0) {
            found = has_screen(folder, entry->d_name);
        }
    }
    return found;
}
