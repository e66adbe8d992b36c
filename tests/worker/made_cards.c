#include "tests/worker/made_cards.h"

#define TEXT(text) ((char[]){ text }) /* outside of functions it lives as long as we do */

const struct card made_nvidia[2] = {
    { .id = TEXT("pci:0000:01:00.0"),
      .pci = TEXT("0000:01:00.0"),
      .uuid = TEXT("GPU-11111111-aaaa"),
      .name = TEXT("NVIDIA RTX A6000"),
      .vendor = CARD_NVIDIA,
      .types = { "OPTIX", "CUDA" } },
    { .id = TEXT("pci:0000:c1:00.0"),
      .pci = TEXT("0000:c1:00.0"),
      .uuid = TEXT("GPU-22222222-bbbb"),
      .name = TEXT("NVIDIA RTX A6000"),
      .vendor = CARD_NVIDIA,
      .types = { "OPTIX", "CUDA" } },
};
const struct card made_old = { .pci = TEXT("0000:21:00.0"),
                               .uuid = TEXT("GPU-33333333-cccc"),
                               .vendor = CARD_NVIDIA,
                               .types = { "CUDA" } };
const struct card made_unknown = { .pci = TEXT("0000:41:00.0"),
                                   .vendor = CARD_NVIDIA,
                                   .types = { "OPTIX", "CUDA" } };
const struct card made_mig = { .id = TEXT("MIG-44444444-dddd"),
                               .pci = TEXT("0000:61:00.0"),
                               .uuid = TEXT("MIG-44444444-dddd"),
                               .vendor = CARD_NVIDIA,
                               .mig = true,
                               .types = { "CUDA" } };
const struct card made_amd[2] = {
    { .id = TEXT("pci:0000:03:00.0"),
      .pci = TEXT("0000:03:00.0"),
      .uuid = TEXT("GPU-0011223344556677"),
      .vendor = CARD_AMD,
      .types = { "HIP" } },
    { .id = TEXT("pci:0000:83:00.0"),
      .pci = TEXT("0000:83:00.0"),
      .uuid = TEXT("GPU-8899aabbccddeeff"),
      .vendor = CARD_AMD,
      .types = { "HIP" } },
};
const struct card made_bare_amd = { .pci = TEXT("0000:0b:00.0"),
                                    .vendor = CARD_AMD,
                                    .types = { "HIP" } };
const struct card made_intel = { .pci = TEXT("0000:09:00.0"),
                                 .vendor = CARD_INTEL,
                                 .types = { "ONEAPI" } };

struct device made_device(const struct card *first, const struct card *second)
{
    static char id[] = "made";
    struct device device = { .id = id, .kind = DEVICE_CPU, .threads = 3 };
    if (first) {
        device.kind = DEVICE_GPU;
        device.cards[device.card_count++] = first;
    }
    if (second) {
        device.cards[device.card_count++] = second;
    }
    return device;
}
