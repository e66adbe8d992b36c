#ifndef BROKER_LEDGER_LOG_H
#define BROKER_LEDGER_LOG_H

/*
 * ledger_log - says what was committed: events in the file `log`, moves on stderr
 */

#include <stddef.h>

#include "broker/eventlog.h"
#include "broker/queue/change.h"

/* Call it after the commit, in the order of the changes. */
void ledger_log_changes(eventlog_t *log, const struct change *changes, size_t count);

#endif
