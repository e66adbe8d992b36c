#include "proto/device_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"
#include "proto/log.h"

#define GPU_MAX 1023 /* highest GPU number */
#define UUID_MAX 80  /* bytes after GPU- */

static const char digits[] = "0123456789";
static const char hex_digits[] = "0123456789abcdefABCDEF";

/* A piece of the text that is being read. */
struct piece {
    const char *text;
    size_t size;
};

static bool is_text(struct piece piece, const char *text)
{
    return piece.size == strlen(text) && strncmp(piece.text, text, piece.size) == 0;
}

static bool begins(struct piece piece, const char *prefix)
{
    size_t size = strlen(prefix);
    return piece.size >= size && strncmp(piece.text, prefix, size) == 0;
}

static struct piece after(struct piece piece, size_t size)
{
    return (struct piece){ piece.text + size, piece.size - size };
}

static bool has_only(struct piece piece, const char *allowed)
{
    for (size_t i = 0; i < piece.size; i++) {
        if (!piece.text[i] || !strchr(allowed, piece.text[i])) {
            return false;
        }
    }
    return piece.size > 0;
}

/* Cut the text before the first separator off *rest; false when *rest was used up. */
static bool next_piece(struct piece *rest, char separator, struct piece *out)
{
    if (!rest->text) {
        return false;
    }
    const char *end = memchr(rest->text, separator, rest->size);
    if (end) {
        *out = (struct piece){ rest->text, (size_t)(end - rest->text) };
        *rest = after(*rest, out->size + 1);
    } else {
        *out = *rest;
        rest->text = NULL;
    }
    return true;
}

/* A decimal number up to max; -1 otherwise. */
static int number(struct piece piece, int max)
{
    if (!has_only(piece, digits) || piece.size > 6) {
        return -1;
    }
    int value = 0;
    for (size_t i = 0; i < piece.size; i++) {
        value = value * 10 + (piece.text[i] - '0');
    }
    return value <= max ? value : -1;
}

/* What is wrong, or NULL. */
static const char *parse_share(struct piece piece, struct device_spec *out)
{
    out->kind = DEVICE_CPU;
    out->form = DEVICE_SHARE;
    out->share = number(piece, DEVICE_NAME_CPU_MAX + 1);
    return out->share < 1 ? "needs a number of workers after 'cpu/'" : NULL;
}

static const char *add_cpus(struct piece piece, struct ranges *out)
{
    struct piece rest = piece;
    struct piece bound = { 0 };
    (void)next_piece(&rest, '-', &bound);
    int first = number(bound, DEVICE_NAME_CPU_MAX);
    int last = rest.text ? number(rest, DEVICE_NAME_CPU_MAX) : first;
    if (first < 0 || last < 0) {
        return "needs CPU numbers after 'cpu:', such as cpu:0-3 or cpu:0-1+8-9";
    }
    return ranges_add(out, first, last, 1) == RANGES_OK ? NULL
                                                        : "has CPUs that end before they begin";
}

static const char *parse_numbers(struct piece piece, struct device_spec *out)
{
    out->form = DEVICE_NUMBERS;
    struct piece item = { 0 };
    while (next_piece(&piece, '+', &item)) {
        if (out->kind == DEVICE_CPU) {
            const char *why = add_cpus(item, &out->numbers);
            if (why) {
                return why;
            }
            continue;
        }
        int gpu = number(item, GPU_MAX);
        if (gpu < 0 || ranges_add(&out->numbers, gpu, gpu, 1) != RANGES_OK) {
            return "needs GPU numbers after 'gpu:', such as gpu:0,2 or gpu:0+1 for a group";
        }
    }
    if (ranges_normalise(&out->numbers) != RANGES_OK ||
        (out->kind == DEVICE_GPU && ranges_count(&out->numbers) > DEVICE_NAME_GROUP_MAX)) {
        return "has too many members";
    }
    return NULL;
}

/* dddd:bb:dd.f or dddddddd:bb:dd.f, all hex but the function, which is 0 to 7. */
static bool is_pci_address(const char *text)
{
    static const char form[] = ":hh:hh.o";
    size_t domain = strcspn(text, ":");
    if ((domain != 4 && domain != 8) || strspn(text, hex_digits) != domain ||
        strlen(text) != domain + strlen(form)) {
        return false;
    }
    for (size_t i = 0; form[i]; i++) {
        const char *allowed = form[i] == 'h' ? hex_digits : form[i] == 'o' ? "01234567" : NULL;
        char c = text[domain + i];
        if (allowed ? !strchr(allowed, c) : c != form[i]) {
            return false;
        }
    }
    return true;
}

/* [domain:]bus:device.function -> pci:dddd:bb:dd.f in lower case, NULL when it is none. */
static char *pci_name(struct piece piece)
{
    char text[32];
    if (piece.size >= sizeof text) {
        return NULL;
    }
    memcpy(text, piece.text, piece.size);
    text[piece.size] = '\0';
    for (char *at = text; *at; at++) {
        if (*at >= 'A' && *at <= 'F') {
            *at = "abcdef"[*at - 'A'];
        }
    }
    const char *colon = strchr(text, ':');
    bool has_domain = colon && strchr(colon + 1, ':');
    CLEANUP(cleanup_free) char *whole = alloc_format("%s%s", has_domain ? "" : "0000:", text);
    return is_pci_address(whole) ? alloc_format("pci:%s", whole) : NULL;
}

/* GPU-... and MIG-... as the driver prints them. */
static char *uuid_name(struct piece piece)
{
    static const char allowed[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-/";
    struct piece rest = after(piece, 4);
    if (rest.size > UUID_MAX || !has_only(rest, allowed)) {
        return NULL;
    }
    return alloc_bytes(piece.text, piece.size);
}

static char *gpu_name(struct piece piece, bool pci_goes_on)
{
    if (begins(piece, "pci:")) {
        return pci_name(after(piece, 4));
    }
    if (begins(piece, "GPU-") || begins(piece, "MIG-")) {
        return uuid_name(piece);
    }
    return pci_goes_on ? pci_name(piece) : NULL;
}

static const char *parse_names(struct piece piece, struct device_spec *out)
{
    out->kind = DEVICE_GPU;
    out->form = DEVICE_NAMES;
    out->names = alloc_zero(DEVICE_NAME_GROUP_MAX + 1, sizeof *out->names);
    bool is_pci = begins(piece, "pci:");
    struct piece item = { 0 };
    for (size_t count = 0; next_piece(&piece, '+', &item); count++) {
        if (count == DEVICE_NAME_GROUP_MAX) {
            return "has too many members";
        }
        out->names[count] = gpu_name(item, is_pci);
        if (!out->names[count]) {
            return "is no GPU UUID (GPU-...) and no PCI address (pci:0000:65:00.0)";
        }
    }
    return NULL;
}

/* Cut "+cpu" off the end of a GPU's text; was it there? */
static bool cut_cpu(struct piece *piece)
{
    static const char suffix[] = "+cpu";
    size_t size = strlen(suffix);
    bool is_gpu = begins(*piece, "gpu") || begins(*piece, "pci:") || begins(*piece, "GPU-") ||
                  begins(*piece, "MIG-");
    if (!is_gpu || piece->size <= size ||
        strncmp(piece->text + piece->size - size, suffix, size) != 0) {
        return false;
    }
    piece->size -= size;
    return true;
}

static const char *parse_piece(struct piece piece, struct device_spec *out)
{
    static const char why[] =
        "is no device: cpu, cpu/2, cpu:0-3, gpu, gpu:0, gpu:0+1, gpu:0+cpu, a GPU's "
        "UUID or pci:ADDRESS";
    out->form = DEVICE_ALL;
    out->with_cpu = cut_cpu(&piece);
    if (is_text(piece, "none")) {
        out->kind = DEVICE_NONE;
    } else if (is_text(piece, "cpu")) {
        out->kind = DEVICE_CPU;
    } else if (is_text(piece, "gpu")) {
        out->kind = DEVICE_GPU;
    } else if (begins(piece, "cpu/")) {
        return parse_share(after(piece, 4), out);
    } else if (begins(piece, "cpu:") || begins(piece, "gpu:")) {
        out->kind = piece.text[0] == 'c' ? DEVICE_CPU : DEVICE_GPU;
        return parse_numbers(after(piece, 4), out);
    } else if (begins(piece, "pci:") || begins(piece, "GPU-") || begins(piece, "MIG-")) {
        return parse_names(piece, out);
    } else {
        return why;
    }
    return NULL;
}

static char *explain(struct piece piece, const char *why)
{
    int shown = piece.size < 60 ? (int)piece.size : 60;
    char *text = alloc_format("device \"%.*s\" %s", shown, piece.text, why);
    log_plain(text);
    return text;
}

int device_name_parse(const char *text, struct device_spec *out, char **error_text)
{
    struct device_spec spec = { 0 };
    struct piece piece = { text, strlen(text) };
    const char *why = piece.size > DEVICE_NAME_BYTES ? "is too long" : parse_piece(piece, &spec);
    if (!why && spec.form == DEVICE_SHARE) {
        why = "stands for several devices: see `dblend-worker --list devices cpu/N`";
    }
    if (why) {
        device_name_clear(&spec);
        *error_text = explain(piece, why);
        return DEVICE_NAME_WRONG;
    }
    *out = spec;
    return DEVICE_NAME_OK;
}

static struct piece trimmed(struct piece piece)
{
    while (piece.size > 0 && (piece.text[0] == ' ' || piece.text[0] == '\t')) {
        piece = after(piece, 1);
    }
    while (piece.size > 0 && strchr(" \t", piece.text[piece.size - 1])) {
        piece.size--;
    }
    return piece;
}

/* An item of digits only goes on with the prefix of the device before it. */
static const char *parse_item(struct piece item, const struct device_spec *before,
                              struct device_spec *out)
{
    if (has_only(item, digits)) {
        if (!before || before->form != DEVICE_NUMBERS) {
            return "is a number without 'cpu:' or 'gpu:' before it";
        }
        out->kind = before->kind;
        return parse_numbers(item, out);
    }
    if (is_text(item, "none")) {
        return "is for one worker: `dblend-worker --device none`";
    }
    return item.size == 0 ? "is missing beside a comma" : parse_piece(item, out);
}

int device_name_parse_list(const char *text, struct device_spec **out, size_t *count,
                           char **error_text)
{
    struct piece rest = { text, strlen(text) };
    if (rest.size > DEVICE_NAME_BYTES) {
        *error_text = explain(rest, "is too long a list");
        return DEVICE_NAME_WRONG;
    }
    struct device_spec *list = alloc_zero(DEVICE_NAME_LIST_MAX, sizeof *list);
    size_t found = 0;
    struct piece item = { 0 };
    while (next_piece(&rest, ',', &item)) {
        item = trimmed(item);
        const char *why = "is one too many";
        if (found < DEVICE_NAME_LIST_MAX) {
            why = parse_item(item, found ? &list[found - 1] : NULL, &list[found]);
            found++;
        }
        if (why) {
            device_name_list_free(&list, found);
            *error_text = explain(item, why);
            return DEVICE_NAME_WRONG;
        }
    }
    *out = list;
    *count = found;
    return DEVICE_NAME_OK;
}

/* By runs, however the list came to be split into items: a device has one name. */
static void write_numbers(FILE *out, const struct device_spec *self)
{
    const char *plus = "";
    int32_t first = 0;
    for (int64_t rank = 0; ranges_at(&self->numbers, rank, &first); rank++, plus = "+") {
        int32_t last = first;
        int32_t next = 0;
        while (self->kind == DEVICE_CPU && ranges_at(&self->numbers, rank + 1, &next) &&
               next == last + 1) {
            last = next;
            rank++;
        }
        (void)fprintf(out, "%s%d", plus, first); /* into memory: see the check of fclose */
        if (last > first) {
            (void)fprintf(out, "-%d", last);
        }
    }
}

static void write_device(FILE *out, const struct device_spec *self)
{
    static const char *const kinds[] = { "none", "cpu", "gpu" };
    const char *plus = "";
    switch (self->form) {
    case DEVICE_ALL:
        (void)fputs(kinds[self->kind], out);
        break;
    case DEVICE_SHARE:
        (void)fprintf(out, "cpu/%d", self->share);
        break;
    case DEVICE_NUMBERS:
        (void)fprintf(out, "%s:", kinds[self->kind]);
        write_numbers(out, self);
        break;
    case DEVICE_NAMES:
        for (size_t i = 0; self->names[i]; i++, plus = "+") {
            (void)fprintf(out, "%s%s", plus, self->names[i]);
        }
        break;
    }
    if (self->with_cpu) {
        (void)fputs("+cpu", out);
    }
}

char *device_name_format(const struct device_spec *self)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        return alloc_text("");
    }
    write_device(out, self);
    if (fclose(out) != 0) {
        free(text);
        return alloc_text("");
    }
    return text;
}

void device_name_clear(struct device_spec *self)
{
    ranges_clear(&self->numbers);
    cleanup_list(&self->names);
    *self = (struct device_spec){ 0 };
}

void device_name_list_free(struct device_spec **list_p, size_t count)
{
    for (size_t i = 0; *list_p && i < count; i++) {
        device_name_clear(&(*list_p)[i]);
    }
    cleanup_free(list_p);
}
