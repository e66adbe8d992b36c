#include "worker/visible.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/alloc.h"
#include "proto/cleanup.h"

struct cards {
    struct visible_card *list;
    size_t count;
    bool *shown; /* one a card: named by the list that is being read */
};

static bool takes_part(const struct visible_card *card, enum card_vendor vendor)
{
    return card->vendor == vendor && !card->hidden;
}

/* Are both the same card, or instances of it? */
static bool is_same(const struct visible_card *left, const struct visible_card *right)
{
    return left->pci && right->pci && strcmp(left->pci, right->pci) == 0;
}

static bool is_further_instance(const struct cards *cards, size_t index)
{
    return index > 0 && is_same(&cards->list[index - 1], &cards->list[index]);
}

/* All entries of the number-th card that takes part; false when there are not so many. */
static bool show_number(struct cards *cards, enum card_vendor vendor, unsigned long number)
{
    unsigned long seen = 0;
    for (int integrated = 0; integrated <= 1; integrated++) {
        for (size_t i = 0; i < cards->count; i++) {
            const struct visible_card *card = &cards->list[i];
            bool late = vendor == CARD_INTEL && card->integrated;
            if (!takes_part(card, vendor) || !card->served || late != (integrated == 1) ||
                is_further_instance(cards, i) || seen++ != number) {
                continue;
            }
            for (size_t k = i; k < cards->count && is_same(&cards->list[k], card); k++) {
                cards->shown[k] = true;
            }
            return true;
        }
    }
    return false;
}

static bool begins(const char *text, const char *prefix)
{
    return text && strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* By UUID or its beginning, of an instance or of the card; false when none or several match. */
static bool show_uuid(struct cards *cards, enum card_vendor vendor, const char *prefix)
{
    const struct visible_card *found = NULL;
    bool whole_card = strncasecmp(prefix, "MIG-", 4) != 0;
    for (size_t i = 0; i < cards->count; i++) {
        const struct visible_card *card = &cards->list[i];
        const char *uuid = card->mig && whole_card ? card->card_uuid : card->uuid;
        if (!takes_part(card, vendor) || !begins(uuid, prefix)) {
            continue;
        }
        if (found && !(whole_card && is_same(found, card))) {
            return false;
        }
        found = card;
    }
    for (size_t i = 0; found && i < cards->count; i++) {
        const struct visible_card *card = &cards->list[i];
        bool meant = card == found || (whole_card && is_same(found, card));
        cards->shown[i] = cards->shown[i] || (meant && takes_part(card, vendor));
    }
    return found != NULL;
}

static bool show(struct cards *cards, enum card_vendor vendor, const char *item)
{
    if (isdigit((unsigned char)*item)) {
        char *end = NULL;
        unsigned long number = strtoul(item, &end, 10);
        /* 1.0 of Level Zero is a part of card 1 */
        return (*end == '\0' || *end == '.') && show_number(cards, vendor, number);
    }
    return strlen(item) > 4 && strchr("GMgm", *item) && show_uuid(cards, vendor, item);
}

static void hide_the_rest(struct cards *cards, enum card_vendor vendor)
{
    for (size_t i = 0; i < cards->count; i++) {
        struct visible_card *card = &cards->list[i];
        card->hidden = card->hidden || (card->vendor == vendor && !cards->shown[i]);
        cards->shown[i] = false;
    }
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    text[strcspn(text, " \t")] = '\0';
    return text;
}

static void show_list(struct cards *cards, enum card_vendor vendor, const char *text)
{
    CLEANUP(cleanup_free) char *copy = alloc_text(text);
    char *rest = copy;
    char *item = NULL;
    while ((item = strsep(&rest, ",")) && show(cards, vendor, trimmed(item))) {
    }
}

/* A variable that is not set says nothing; an empty one leaves none. */
static bool apply_list(struct cards *cards, enum card_vendor vendor, const char *variable)
{
    const char *text = getenv(variable);
    if (text) {
        show_list(cards, vendor, text);
        hide_the_rest(cards, vendor);
    }
    return text != NULL;
}

/* "level_zero:0,2;opencl:gpu": what it says of Level Zero, with which Cycles works. */
static void apply_selector(struct cards *cards, const char *text)
{
    CLEANUP(cleanup_free) char *copy = alloc_text(text);
    char *rest = copy;
    char *term = NULL;
    while ((term = strsep(&rest, ";"))) {
        char *colon = strchr(term, ':');
        if (*term == '!' || !colon) {
            continue;
        }
        *colon = '\0';
        if (strcmp(term, "level_zero") != 0 && strcmp(term, "*") != 0) {
            continue;
        }
        if (isdigit((unsigned char)colon[1])) {
            show_list(cards, CARD_INTEL, colon + 1);
            continue;
        }
        for (size_t i = 0; i < cards->count; i++) {
            cards->shown[i] = strcmp(colon + 1, "*") == 0 || strcmp(colon + 1, "gpu") == 0;
        }
    }
    hide_the_rest(cards, CARD_INTEL);
}

static bool has_vendor(const struct cards *cards, enum card_vendor vendor)
{
    bool found = false;
    for (size_t i = 0; i < cards->count; i++) {
        found = found || cards->list[i].vendor == vendor;
    }
    return found;
}

void visible_apply(struct visible_card *list, size_t count)
{
    CLEANUP(cleanup_free) bool *shown = alloc_zero(count + 1, sizeof *shown);
    struct cards cards = { list, count, shown };
    (void)apply_list(&cards, CARD_NVIDIA, "CUDA_VISIBLE_DEVICES");
    (void)apply_list(&cards, CARD_AMD, "ROCR_VISIBLE_DEVICES"); /* HIP counts what that leaves */
    if (!apply_list(&cards, CARD_AMD, "HIP_VISIBLE_DEVICES") && !has_vendor(&cards, CARD_NVIDIA)) {
        (void)apply_list(&cards, CARD_AMD, "CUDA_VISIBLE_DEVICES"); /* HIP knows that name, too */
    }
    (void)apply_list(&cards, CARD_INTEL, "ZE_AFFINITY_MASK");
    const char *selector = getenv("ONEAPI_DEVICE_SELECTOR");
    if (selector && *selector) {
        apply_selector(&cards, selector);
    }
}
