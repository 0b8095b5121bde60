// Included before all else where the addon is built for glibc (CMakeLists.txt): logarithms and powers by
// their names of before 2.29, which are the same functions with the error handling that -fno-math-errno asks
// not for.
#if defined(__linux__)
#include <features.h>
#endif
#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
#if defined(__x86_64__)
#define EXO_OLDEST "GLIBC_2.2.5"
#else
#define EXO_OLDEST "GLIBC_2.17"
#endif
__asm__(".symver log,log@" EXO_OLDEST);
__asm__(".symver exp,exp@" EXO_OLDEST);
__asm__(".symver pow,pow@" EXO_OLDEST);
__asm__(".symver log2,log2@" EXO_OLDEST);
#undef EXO_OLDEST
#endif
