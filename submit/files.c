#include "submit/files.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/alloc.h"
#include "proto/blendfile.h"
#include "proto/cleanup.h"
#include "proto/messages.h"

enum { LINE_BYTES = 16384 }; /* of a list: a path with quotes and blanks around it */

void files_clear(struct files *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->names[i]);
    }
    free(self->names);
    *self = (struct files){ 0 };
}

/* Takes name. */
static void append(struct files *self, char *name)
{
    self->names = alloc_resize(self->names, self->count + 1, sizeof *self->names);
    self->names[self->count++] = name;
}

/* Removes one pair of quotes around text, and what a shell writes for a quote inside: '\''. */
static void unquote(char *text)
{
    size_t size = strlen(text);
    if (size < 2 || (text[0] != '\'' && text[0] != '"') || text[size - 1] != text[0]) {
        return;
    }
    bool single = text[0] == '\'';
    memmove(text, text + 1, size - 2);
    text[size - 2] = '\0';
    for (char *quote = text; single && (quote = strstr(quote, "'\\''")); quote++) {
        memmove(quote, quote + 3, strlen(quote + 3) + 1);
    }
}

char *files_clean(const char *text)
{
    text += strspn(text, " \t\r\n");
    char *out = alloc_text(text);
    for (size_t size = strlen(out); size > 0 && strchr(" \t\r\n", out[size - 1]); size--) {
        out[size - 1] = '\0';
    }
    unquote(out);
    return out;
}

/* Some terminals write `\ ` for a blank: taken off only if there is no file of the name as it is.
 */
static char *without_backslashes(const char *name)
{
    char *out = alloc_text(name);
    char *to = out;
    for (const char *from = out; *from; from++) {
        if (*from == '\\' && from[1]) {
            from++;
        }
        *to++ = *from;
    }
    *to = '\0';
    return out;
}

void files_add(struct files *self, const char *text)
{
    if (access(text, F_OK) == 0) {
        append(self, alloc_text(text)); /* it is named just so, quotes and all */
        return;
    }
    CLEANUP(cleanup_free) char *name = files_clean(text);
    CLEANUP(cleanup_free) char *plain = without_backslashes(name);
    bool plain_exists = access(name, F_OK) != 0 && access(plain, F_OK) == 0;
    append(self, alloc_text(plain_exists ? plain : name));
}

/* 0, or a negative errno. What has endless lines is no list: -ENAMETOOLONG. */
static int add_lines(struct files *self, FILE *stream)
{
    char line[LINE_BYTES];
    errno = 0;
    while (fgets(line, sizeof line, stream)) {
        size_t size = strcspn(line, "\r\n");
        if (line[size] == '\0' && !feof(stream)) {
            return -ENAMETOOLONG; /* or it has a byte 0 inside */
        }
        line[size] = '\0';
        const char *text = line + strspn(line, " \t");
        if (*text && *text != '#') {
            files_add(self, line);
        }
    }
    return !ferror(stream) ? 0 : errno ? -errno : -EIO;
}

int files_add_list(struct files *self, const char *path)
{
    if (strcmp(path, "-") == 0) {
        return add_lines(self, stdin);
    }
    CLEANUP(cleanup_file) FILE *stream = fopen(path, "re");
    if (!stream) {
        return -errno;
    }
    return add_lines(self, stream);
}

int files_ask(struct files *self)
{
    CLEANUP(cleanup_free) char *line = NULL;
    size_t capacity = 0;
    fputs("Which .blend file (drop it here, then Enter)? ", stderr);
    fflush(stderr);
    if (getline(&line, &capacity, stdin) < 0) {
        fputc('\n', stderr);
        return -ENODATA;
    }
    CLEANUP(cleanup_free) char *name = files_clean(line);
    if (!*name) {
        return -ENODATA;
    }
    files_add(self, name);
    return 0;
}

static json_t *refuse_errno(int error)
{
    if (error == ENOENT || error == ENOTDIR) {
        return msg_error("file-missing", "no such file", "check the name and the folder");
    }
    CLEANUP(cleanup_free) char *text = alloc_format("cannot be read: %s", strerror(error));
    return msg_error("file-unreadable", text,
                     error == EACCES ? "give yourself the right to read it (chmod u+r)" : "");
}

static json_t *check_content(const char *path)
{
    struct blendfile about = { 0 };
    int rc = blendfile_read(path, &about);
    if (rc < 0) {
        return refuse_errno(-rc);
    }
    if (rc == BLENDFILE_TRUNCATED) {
        return msg_error("file-truncated", "the file is cut off or damaged",
                         "save it again in Blender, or copy it anew");
    }
    if (rc == BLENDFILE_NOT_BLEND) {
        return msg_error("not-blend", "not a .blend file (by its content)",
                         "name a file that Blender has saved");
    }
    return NULL;
}

static json_t *check_path(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        return refuse_errno(errno);
    }
    if (S_ISDIR(about.st_mode)) {
        return msg_error("not-blend", "a folder, not a .blend file", "name the file inside");
    }
    if (!S_ISREG(about.st_mode)) {
        return msg_error("not-blend", "not a regular file", "name a file that Blender has saved");
    }
    if (access(path, R_OK) != 0) {
        return refuse_errno(errno);
    }
    CLEANUP(cleanup_json) json_t *text = json_string(path);
    if (!text) {
        return msg_error("file-unreadable", "its path is not UTF-8", "rename file or folder");
    }
    return check_content(path);
}

json_t *files_check(const char *name, char **path)
{
    *path = NULL;
    CLEANUP(cleanup_free) char *real = realpath(name, NULL);
    if (!real) {
        return refuse_errno(errno);
    }
    json_t *refusal = check_path(real);
    if (!refusal) {
        *path = real;
        real = NULL;
    }
    return refusal;
}
