#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

/*
 * disk - SQLite's files, in memory: what is not synced can be lost
 *
 * A VFS of SQLite, and its default one. Each file has what programs see and what would be there
 * after a power cut: the last synced content, and of the writes since then any number, each whole
 * or torn. A crash is the moment from which nothing that the broker does has any effect: each
 * write, sync and message counts one `breath`, and the crash comes with a chosen one.
 */

#include <stdbool.h>
#include <stdint.h>

/* Once a process. */
void disk_register(void);

/* The disk of a new history: an empty one, or a copy of the ledger that disk_keep took. */
void disk_open(int image); /* -1: empty */
void disk_keep(int image);
enum { DISK_IMAGES = 3 };

/* Page size of a ledger that is made anew, and pages in the log before SQLite copies them back. */
void disk_set_sqlite(int page_bytes, int checkpoint_pages);

/* Is the broker dead? Not, once another one is about to open the ledger. */
void disk_revive(void);
bool disk_dead(void);

/* Die within so many breaths; 0: not. The torn write of that moment is written in part. */
void disk_die_in(int64_t breaths);

/* One breath: false if the broker is, or has just, died: it has no effect. */
bool disk_breathe(void);

/* What a power cut leaves. */
void disk_power_cut(void);

/* Only so many bytes more fit; negative: room enough. */
void disk_set_room(int64_t bytes);

/* One of the next calls fails with EIO; 0: none. */
void disk_break_in(int64_t calls);

#endif
