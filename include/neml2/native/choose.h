/* SPDX-License-Identifier: MIT */
#ifndef NEML2_NATIVE_CHOOSE_H
#define NEML2_NATIVE_CHOOSE_H

/**
 * Which of a package's shared objects to load. A package holds one for each instruction set that it was
 * compiled for,
 * `<model>_<set>.so`; the best one that is there and that this CPU runs:
 *
 *     const char *set;
 *     for (int k = 0; (set = neml2_native_isa(k)) != NULL; ++k)
 *     {
 *       snprintf(path, sizeof path, "aoti/model/cpu/model_%s.so", set);
 *       if ((library = dlopen(path, RTLD_NOW)) != NULL)
 *         break;
 *     }
 */
#ifdef __cplusplus
extern "C"
{
#endif

  /** Number `k` of the instruction sets that this CPU runs, best first: "avx512", "avx2", "generic"; null
     behind the last. Objects for another set than these end the process with an illegal instruction.
     Thread-safe. */
  static inline const char * neml2_native_isa(int k)
  {
    const char * sets[3];
    int count = 0;
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                     __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      sets[count++] = "avx512";
    if (avx2)
      sets[count++] = "avx2";
#endif
    sets[count++] = "generic";
    return k >= 0 && k < count ? sets[k] : 0;
  }

#ifdef __cplusplus
}
#endif
#endif
