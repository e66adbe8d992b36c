#include "worker/heat.h"

bool heat_update(struct heat *self, int temperature_c)
{
    bool was = self->hot;
    if (self->most_c <= 0 || temperature_c < 0) {
        return false; /* a sensor that fails says neither */
    }
    self->hot = was ? temperature_c > self->most_c - HEAT_STEP_C : temperature_c > self->most_c;
    return self->hot != was;
}
