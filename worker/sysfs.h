#ifndef WORKER_SYSFS_H
#define WORKER_SYSFS_H

/*
 * sysfs - what the kernel says of a PCI device
 *
 * Reads /sys, below HWLOC_FSROOT where that is set, as hwloc does. Files of drivers are outside
 * data: a number is taken only when the file holds one, a text is cut and cleaned.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sysfs_pci {
    unsigned domain, bus, device, function;
};

/* "0000:65:00.0" in out; the domain has four digits, or eight where it needs more. */
enum { SYSFS_PCI_TEXT = 20 };
void sysfs_pci_format(const struct sysfs_pci *pci, char out[SYSFS_PCI_TEXT]);

/* Reads [domain:]bus:device.function; false when it is none. */
bool sysfs_pci_parse(const char *text, struct sysfs_pci *out);

/* < 0, 0, > 0, in the order of addresses. */
int sysfs_pci_compare(const struct sysfs_pci *left, const struct sysfs_pci *right);

/* A file of the device that holds a number, decimal or 0x...; -1 when there is none. */
int64_t sysfs_int(const struct sysfs_pci *pci, const char *name);

/* One byte of a binary file of the device; -1 when it is not that long. */
int sysfs_byte(const struct sysfs_pci *pci, const char *name, off_t offset);

/* The first line of a file, the caller's; NULL when there is none or it is empty. */
char *sysfs_text(const struct sysfs_pci *pci, const char *name);

/* As sysfs_int, in the first hwmon folder of the device that has such a file. */
int64_t sysfs_sensor(const struct sysfs_pci *pci, const char *name);

/* The kernel driver that has it, the caller's; NULL: none. */
char *sysfs_driver(const struct sysfs_pci *pci);

/* Is the device there (at all, or still)? */
bool sysfs_is_there(const struct sysfs_pci *pci);

/* Is a screen plugged into one of its connectors? */
bool sysfs_display(const struct sysfs_pci *pci);

/* Leave plain ASCII: what a driver says goes into messages and onto terminals. */
void sysfs_clean(char *text);

#endif
