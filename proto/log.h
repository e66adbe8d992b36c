#ifndef PROTO_LOG_H
#define PROTO_LOG_H

/*
 * log - one line a message on stderr
 *
 *     2026-11-22T14:00:00.123Z dblend-broker info frame 31: claimed -> done worker=ws1/cpu:0-3
 *
 * error = a person must act; warning = we carried on but something is off; info = a state
 * change, a start, a stop; debug = each message, off unless -v or SIGUSR2. Wording: lower case,
 * verb and object first, then key=value, then the reason. A line is written with one write(2);
 * control characters in it become '?', and what is over 8 KiB is cut. Works before log_open.
 */

#include <stdbool.h>

/* program is copied. CZMQ writes to stderr from now on, not to stdout, and takes no signals. */
void log_open(const char *program, bool verbose);

void log_set_debug(bool on);
bool log_is_debug(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What this thread logs in between goes out in few writes, none over a line's end. For a burst of
 * lines about what is already safe; a death in between loses them. */
void log_hold(void);
void log_release(void);

/* Replace control characters by '?': text from outside must not begin a line of its own or reach a
 * terminal's controls. */
void log_plain(char *text);

#endif
