#include "submit/settings.h"

#include "proto/cleanup.h"
#include "proto/config.h"
#include "submit/say.h"

enum { MOST_S = 86400 };

int64_t settings_ms(const struct paths *paths, const char *key, int64_t fallback_s, int64_t least_s)
{
    CLEANUP(config_close) config_t *config = NULL;
    CLEANUP(cleanup_free) char *text = NULL;
    int64_t seconds = fallback_s;
    if (config_open(paths->config, &config, &text) == CONFIG_OK) {
        seconds = config_int(config, key, fallback_s, least_s, MOST_S);
    } else {
        say_error("%s", text ? text : "the configuration cannot be read");
    }
    return seconds * 1000;
}
