// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/native/lanes.h"

/**
 * Elementary functions of lane types.
 *
 * Wide doubles: exp, log, pow, sin, cos, tan, sinh, cosh, tanh, erf have implementations of their own;
 * arguments they are not made for (pow of what is not a positive normal number, angles beyond 2^20, ...) and
 * asin, acos, atan, atan2 go to the C++ standard library, lane by lane. Plain numbers always do. Wide floats
 * are computed in double and rounded once.
 *
 * Largest errors found over the whole range, in units of the last place of the correctly rounded result (the
 * tests hold them to this): exp 1.0, log 0.8, pow 1.2, sin and cos 0.9, tan 2.3, sinh 2.2, cosh 1.5,
 * tanh 2.5, erf 1.0. Floats: 0.51. Results that are subnormal may lose one unit more. Zeros, infinities and
 * NaN give what IEEE 754 and C say.
 */
namespace neml2::native
{
inline namespace NEML2_NATIVE_ISA
{
namespace detail
{
/// f(lane) where the mask is set, `r` elsewhere. Not inlined: these lanes are rare.
template <class V, class F>
__attribute__((noinline, cold)) V by_lane(F f, V r, std::uint32_t lanes, V x, V y)
{
  for (int l = 0; l < width<V>; ++l)
    if (lanes >> l & 1u)
      set_lane(r, l, f(lane(x, l), lane(y, l)));
  return r;
}

/// A standard function of one argument in every lane.
template <class V, class F>
NEML2_NATIVE_INLINE V standard(F f, V x)
{
  V r = x;
  for (int l = 0; l < width<V>; ++l)
    set_lane(r, l, f(lane(x, l)));
  return r;
}

#if NEML2_NATIVE_BYTES
using D = Doubles;
using I = MaskOf<Doubles>;
using HalfFloats = Vector<float, NEML2_NATIVE_BYTES / 8>::type;

NEML2_NATIVE_INLINE D d(double x)
{
  return splat<D>(x);
}
NEML2_NATIVE_INLINE I bits_of(D x)
{
  return reinterpret_cast<I>(x);
}
NEML2_NATIVE_INLINE D of_bits(I i)
{
  return reinterpret_cast<D>(i);
}

/// Polynomial with coefficients from the constant term upwards.
template <int N>
NEML2_NATIVE_INLINE D polynomial(D x, const double (&c)[N])
{
  D r = d(c[N - 1]);
#pragma GCC unroll 32
  for (int k = N - 2; k >= 0; --k)
    r = fused(r, x, d(c[k]));
  return r;
}

inline constexpr double ln2_hi = 0x1.62e42fefa39efp-1, ln2_lo = 0x1.abc9e3b39803fp-56;
inline constexpr double ln2_short = 0x1.62e42fefa3800p-1, ln2_rest = 0x1.ef35793c76730p-45; // short: 42 bits
inline constexpr double shifter = 0x1.8p52; // adding it leaves the nearest integer in the low bits

/// x 2^k for integer |k| < 2100.
NEML2_NATIVE_INLINE D scale(D x, D k)
{
#if NEML2_NATIVE_BYTES == 64
  return instructions::scale(x, k);
#else
  const D half = floor(k * d(0.5));
  const auto power = [](D n) { return of_bits((bits_of(n + d(shifter)) + 1023) << 52); };
  return x * power(half) * power(k - half);
#endif
}

/// x = k ln 2 + r, |r| <= ln 2 / 2.
NEML2_NATIVE_INLINE D reduce_exponent(D x, D & k)
{
  k = fused(x, d(0x1.71547652b82fep+0), d(shifter)) - d(shifter);
  return fused(-k, d(ln2_lo), fused(-k, d(ln2_hi), x));
}

/// exp(r) - 1 for |r| <= ln 2 / 2.
NEML2_NATIVE_INLINE D short_expm1(D r)
{
  constexpr double c[] = {0x1.0000000000000p-1,  0x1.5555555555557p-3,  0x1.5555555555556p-5,
                          0x1.11111111100dcp-7,  0x1.6c16c16c162d4p-10, 0x1.a01a01abe7fe1p-13,
                          0x1.a01a01a6d889cp-16, 0x1.71de0231960ebp-19, 0x1.27e4db646b17ep-22,
                          0x1.af4de97ca4194p-26, 0x1.1f730349868cep-29};
  return fused(r * r, polynomial(r, c), r);
}

/// exp(x + low) for a small low; arguments beyond +-800 stand for infinite ones.
NEML2_NATIVE_INLINE D exp_of(D x, D low)
{
  x = x > d(800) ? d(800) : x;
  x = x < d(-800) ? d(-800) : x;
  D k;
  const D r = reduce_exponent(x, k) + low;
  return scale(d(1) + short_expm1(r), k);
}

/// x = 2^k m for positive normal x, sqrt(1/2) <= m < sqrt(2); returns m - 1.
NEML2_NATIVE_INLINE D split_exponent(D x, D & k)
{
  constexpr std::int64_t root_half = 0x3fe6a09e667f3bcd, fraction = 0x000fffffffffffff;
  const I i = bits_of(x) - root_half;
  // the exponent as a number: a biased one, so that no arithmetic shift is needed
  const I biased = reinterpret_cast<I>(
      reinterpret_cast<typename Vector<std::uint64_t, width<D>>::type>(i + (std::int64_t(1024) << 52)) >> 52);
  k = of_bits(biased + bits_of(d(0x1p52))) - d(0x1p52 + 1024);
  return of_bits((i & fraction) + root_half) - d(1);
}

/// Logarithm of a positive normal x as the sum of the result and `low`, to 2^-66 of itself.
NEML2_NATIVE_INLINE D log_of(D x, D & low)
{
  constexpr double c[] = {0x1.999999999999ep-2, 0x1.249249248e53bp-2, 0x1.c71c71d7e5cbbp-3,
                          0x1.745d09f1d2e07p-3, 0x1.3b18b888c578fp-3, 0x1.1018bb6af787ep-3,
                          0x1.0877e906b72d3p-3};
  D k;
  const D f = split_exponent(x, k);
  // s = f / (2 + f); log(1 + f) = 2 s + s^3 (2/3 + 2/5 s^2 + ...), every product of the first two terms in
  // two parts
  const D q = f + d(2), q_low = f - (q - d(2));
  const D inverse = d(1) / q;
  const D s = f * inverse;
  const D s_low = (fused(-s, q, f) - s * q_low) * inverse;
  const D z = s * s, z_low = fused(s, s, -z) + d(2) * s * s_low;
  const D tail = z * polynomial(z, c);
  const D p = d(0x1.5555555555555p-1) + tail,
          p_low = (d(0x1.5555555555555p-1) - p) + tail + d(0x1.5555555555555p-55);
  const D t = z * p, t_low = fused(z, p, -t) + (z * p_low + z_low * p);
  const D u = s * t, u_low = fused(s, t, -u) + (s * t_low + s_low * t);
  const D m = d(2) * s + u, m_low = (d(2) * s - m) + u + (u_low + d(2) * s_low);
  const D big = k * d(ln2_short);
  const D sum = big + m;
  const D rest = (big - sum) + m + fused(k, d(ln2_rest), m_low);
  low = rest;
  return sum;
}

/// x = k pi/2 + r + low, |r| <= pi/4, for |x| < 2^20; returns r. The low bits of `quadrant` are those of k.
NEML2_NATIVE_INLINE D reduce_angle(D x, D & low, I & quadrant)
{
  const D shifted = fused(x, d(0x1.45f306dc9c883p-1), d(shifter));
  quadrant = bits_of(shifted);
  const D k = shifted - d(shifter);
  const D a = fused(-k, d(0x1.921fb54442d18p+0), x);
  const D r = fused(-k, d(0x1.1a62633145c07p-54), a);
  const D product = k * d(0x1.1a62633145c07p-54);
  const D error = fused(k, d(0x1.1a62633145c07p-54), -product);
  low = ((a - r) - product) - error + k * d(0x1.f1976b7ed8fbcp-110);
  return r;
}

NEML2_NATIVE_INLINE D short_sin(D r, D low)
{
  constexpr double c[] = {-0x1.5555555555555p-3, 0x1.1111111110bb1p-7,   -0x1.a01a019e8357dp-13,
                          0x1.71de37961e4c6p-19, -0x1.ae600a926c89ap-26, 0x1.5e0af186af739p-33};
  const D z = r * r;
  return r + fused(r * z, polynomial(z, c), low - d(0.5) * z * low);
}

NEML2_NATIVE_INLINE D short_cos(D r, D low)
{
  constexpr double c[] = {0x1.5555555555555p-5,   -0x1.6c16c16c16966p-10, 0x1.a01a019f4e867p-16,
                          -0x1.27e4fa17a41b4p-22, 0x1.1eeb68b109173p-29,  -0x1.907d7aebd5e3dp-37};
  const D z = r * r, h = d(0.5) * z, w = d(1) - h;
  return w + (((d(1) - w) - h) + fused(z * z, polynomial(z, c), -r * low));
}

/// Sine (turn = 0) or cosine (turn = 1) of angles below 2^20.
NEML2_NATIVE_INLINE D sine(D x, int turn)
{
  D low;
  I quadrant;
  const D r = reduce_angle(x, low, quadrant);
  quadrant += turn;
  const D value = (quadrant & 1) != 0 ? short_cos(r, low) : short_sin(r, low);
  return of_bits(bits_of(value) ^ ((quadrant & 2) << 62));
}

/// exp(x) - 1 for 0 <= x <= 709.
NEML2_NATIVE_INLINE D expm1_of(D x)
{
  D k;
  const D e = short_expm1(reduce_exponent(x, k));
  const D power = scale(d(1), k);
  return k == d(0) ? e : fused(power, e, power - d(1));
}

NEML2_NATIVE_INLINE D with_sign_of(D magnitude, D x)
{
  return of_bits(bits_of(magnitude) | (bits_of(x) & std::numeric_limits<std::int64_t>::min()));
}

/// Replaces the lanes in which `good` is false by f(x, y).
template <class F>
NEML2_NATIVE_INLINE D repair(F f, D r, I good, D x, D y)
{
  const std::uint32_t bad = bits<D>(negate(good));
  return __builtin_expect(bad != 0, 0) ? by_lane(f, r, bad, x, y) : r;
}

NEML2_NATIVE_INLINE D evaluate_exp(D x)
{
  return exp_of(x, d(0));
}

NEML2_NATIVE_INLINE D evaluate_log(D x)
{
  constexpr double c[] = {0x1.5555555555555p-1, 0x1.9999999999a38p-2, 0x1.2492492476cccp-2,
                          0x1.c71c720159177p-3, 0x1.745cf9048dd95p-3, 0x1.3b1c355a8f7a2p-3,
                          0x1.0fbe95d716020p-3, 0x1.0c039c49989c6p-3};
  D k;
  const D f = split_exponent(x, k);
  const D s = f / (f + d(2)), z = s * s, half = d(0.5) * f * f;
  const D tail = fused(s, fused(z, polynomial(z, c), half), k * d(ln2_lo));
  const D value = fused(k, d(ln2_hi), -((half - tail) - f));
  const I good = both<I>(x >= d(std::numeric_limits<double>::min()), finite(x));
  return repair([](double v, double) { return __builtin_log(v); }, value, good, x, x);
}

NEML2_NATIVE_INLINE D evaluate_pow(D x, D y)
{
  D low;
  const D high = log_of(x, low);
  const D product = y * high;
  const D rest = fused(y, high, -product) + y * low;
  D value = exp_of(product, abs(product) > d(800) ? d(0) : rest);
  // positive zero to a positive power is common: a step function's lower side
  const I zero = both(bits_of(x) == 0, y > d(0));
  value = zero ? d(0) : value;
  const I usual = both<I>(both<I>(x >= d(std::numeric_limits<double>::min()), finite(x)), abs(y) < d(1e300));
  return repair([](double a, double b) { return __builtin_pow(a, b); }, value,
                either(usual, both(zero, finite(y))), x, y);
}

NEML2_NATIVE_INLINE D evaluate_sin(D x)
{
  // a sine keeps the sign of zero
  const D value = x == d(0) ? x : sine(x, 0);
  return repair([](double v, double) { return __builtin_sin(v); }, value, abs(x) < d(0x1p20), x, x);
}

NEML2_NATIVE_INLINE D evaluate_cos(D x)
{
  return repair([](double v, double) { return __builtin_cos(v); }, sine(x, 1), abs(x) < d(0x1p20), x, x);
}

NEML2_NATIVE_INLINE D evaluate_tan(D x)
{
  D low;
  I quadrant;
  const D r = reduce_angle(x, low, quadrant);
  const D s = short_sin(r, low), c = short_cos(r, low);
  const D value = (quadrant & 1) != 0 ? -c / s : s / c;
  return repair([](double v, double) { return __builtin_tan(v); }, x == d(0) ? x : value, abs(x) < d(0x1p20),
                x, x);
}

NEML2_NATIVE_INLINE D evaluate_sinh(D x)
{
  const D e = expm1_of(abs(x));
  const D value = with_sign_of(d(0.5) * (e + e / (e + d(1))), x);
  return repair([](double v, double) { return __builtin_sinh(v); }, value, abs(x) < d(700), x, x);
}

NEML2_NATIVE_INLINE D evaluate_cosh(D x)
{
  const D e = exp_of(abs(x), d(0));
  const D value = d(0.5) * e + d(0.5) / e;
  return repair([](double v, double) { return __builtin_cosh(v); }, value, abs(x) < d(700), x, x);
}

NEML2_NATIVE_INLINE D evaluate_tanh(D x)
{
  const D a = abs(x);
  const D e = expm1_of(d(2) * (a < d(30) ? a : d(30)));
  const D value = with_sign_of(e / (e + d(2)), x);
  return x == x ? value : x;
}

NEML2_NATIVE_INLINE D evaluate_erf(D x)
{
  // below one: x + x P(x^2); above: 1 - exp(-g(x)), g = -log(erfc), weighted by how much of g still counts
  constexpr double near[] = {0x1.06eba8214db69p-3,   -0x1.812746b0379e6p-2,  0x1.ce2f21a042b34p-4,
                             -0x1.b82ce31284f35p-6,  0x1.565bcd0dbd8a7p-8,   -0x1.c02db3db4833fp-11,
                             0x1.f9a321e4966c9p-14,  -0x1.f4d1e432613cfp-17, 0x1.b9df3040a55b0p-20,
                             -0x1.5f1f401de6ccbp-23, 0x1.f7b994d4675f3p-27,  -0x1.38ac0993f07b9p-30,
                             0x1.06271a86fae8cp-34};
  constexpr double far[] = {
      0x1.d97fbf27aa2a1p+0,   0x1.51c9b0006c23bp+1,   0x1.afabc11a290c1p-1,   0x1.5477f09c823a9p-5,
      -0x1.48c9d40402209p-7,  0x1.033f6898b7b04p-9,   -0x1.f1b46b636a559p-13, -0x1.b8c71a3121febp-16,
      0x1.c76fb1b228dd1p-16,  -0x1.41aa140b9eb3ap-17, 0x1.108c023b9bc3cp-19,  -0x1.ec0b46c7cb7f4p-24,
      -0x1.fc368212019c4p-24, 0x1.10e5d4ca0e96fp-24,  -0x1.51ebba37f4123p-26, 0x1.281fec1d6383cp-28,
      -0x1.760164ffdeed3p-31, 0x1.45cc2f19f30c7p-34,  -0x1.5ecd350177b0ep-38, 0x1.5f57406eb3034p-43};
  const D a = abs(x), b = a > d(6) ? d(6) : a;
  const D small = fused(x, polynomial(x * x, near), x);
  const D large = with_sign_of(d(1) - exp_of(-polynomial(b - d(1), far), d(0)), x);
  return x == x ? (a < d(1) ? small : large) : x;
}

/// A function of wide doubles, for wide floats.
template <class F, class... Args>
NEML2_NATIVE_INLINE Floats in_double(F f, Args... args)
{
  constexpr int half = width<Floats> / 2;
  using Bytes = HalfFloats;
  Floats r;
  const auto part = [](Floats v, int k)
  {
    Bytes h;
    __builtin_memcpy(&h, reinterpret_cast<const char *>(&v) + k * half * int(sizeof(float)), sizeof(h));
    return __builtin_convertvector(h, D);
  };
  for (int k = 0; k < 2; ++k)
  {
    const Bytes h = __builtin_convertvector(f(part(args, k)...), Bytes);
    __builtin_memcpy(reinterpret_cast<char *>(&r) + k * half * int(sizeof(float)), &h, sizeof(h));
  }
  return r;
}
#endif
} // namespace detail

#if NEML2_NATIVE_BYTES
#define NEML2_NATIVE_WIDE(name, ...)                                                                         \
  else if constexpr (std::is_same_v<V, Doubles>) return detail::evaluate_##name(__VA_ARGS__);                \
  else return detail::in_double([](auto... v) { return detail::evaluate_##name(v...); }, __VA_ARGS__);
#else
#define NEML2_NATIVE_WIDE(name, ...)
#endif

#define NEML2_NATIVE_FUNCTION(name)                                                                          \
  template <class V>                                                                                         \
  NEML2_NATIVE_INLINE V name(V x)                                                                            \
  {                                                                                                          \
    NEML2_NATIVE_SCALAR(name, x)                                                                             \
    NEML2_NATIVE_WIDE(name, x)                                                                               \
  }

#define NEML2_NATIVE_STANDARD(name)                                                                          \
  template <class V>                                                                                         \
  NEML2_NATIVE_INLINE V name(V x)                                                                            \
  {                                                                                                          \
    NEML2_NATIVE_SCALAR(name, x)                                                                             \
    else return detail::standard([](ScalarOf<V> v) { return name(v); }, x);                                  \
  }

NEML2_NATIVE_FUNCTION(exp)
NEML2_NATIVE_FUNCTION(log)
NEML2_NATIVE_FUNCTION(sin)
NEML2_NATIVE_FUNCTION(cos)
NEML2_NATIVE_FUNCTION(tan)
NEML2_NATIVE_FUNCTION(sinh)
NEML2_NATIVE_FUNCTION(cosh)
NEML2_NATIVE_FUNCTION(tanh)
NEML2_NATIVE_FUNCTION(erf)
NEML2_NATIVE_STANDARD(asin)
NEML2_NATIVE_STANDARD(acos)
NEML2_NATIVE_STANDARD(atan)

template <class V>
NEML2_NATIVE_INLINE V pow(V x, V y)
{
  NEML2_NATIVE_SCALAR(pow, x, y)
  NEML2_NATIVE_WIDE(pow, x, y)
}

/// The angle of the point (x, y).
template <class V>
NEML2_NATIVE_INLINE V atan2(V y, V x)
{
  NEML2_NATIVE_SCALAR(atan2, y, x)
  else
  {
    V r = x;
    for (int l = 0; l < width<V>; ++l)
      set_lane(r, l, atan2(lane(y, l), lane(x, l)));
    return r;
  }
}

#undef NEML2_NATIVE_SCALAR
#undef NEML2_NATIVE_WIDE
#undef NEML2_NATIVE_FUNCTION
#undef NEML2_NATIVE_STANDARD
} // namespace NEML2_NATIVE_ISA
} // namespace neml2::native
