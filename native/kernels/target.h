// Opens and closes a region in which functions are compiled for another instruction set than the file's flags
// say. System headers go before the region, so that no inline function of theirs is compiled for a CPU that
// may be absent.
#pragma once
#define EXO_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define EXO_TARGET_BEGIN(isa) \
  EXO_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define EXO_TARGET_END _Pragma("clang attribute pop")
#else
#define EXO_TARGET_BEGIN(isa) _Pragma("GCC push_options") EXO_PRAGMA(GCC target(isa))
#define EXO_TARGET_END _Pragma("GCC pop_options")
#endif
