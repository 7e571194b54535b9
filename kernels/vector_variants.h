// One body, three instruction sets; the loader picks at start. Sanitizers run before the loader's
// choice is safe.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define SLMTUNE_VECTOR_VARIANTS \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SLMTUNE_VECTOR_VARIANTS
#endif
