// σ and its first three derivatives on vectors of points, for every activation that Taylor mode has a rule for.
//
// `begin` does what is expensive once and leaves `kept` numbers, of p and q; `at` makes the derivatives of them.

#pragma once

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>

#include <cmath>

namespace laaf {

using at::vec::Vectorized;

constexpr int64_t kMostKept = 2;

template <typename T>
struct Sigma {
  Vectorized<T> value, first, second, third;
};

// x/0 and NaN pass through: no comparison with NaN is true, so that the rational function of NaN is what is left.
inline Vectorized<float> tanh_of(Vectorized<float> z) {
  using V = Vectorized<float>;
  // z·P(z²)/Q(z²), fitted to tanh by weighted least squares on |z| < 9.02, where tanh rounds to 1; within 4e-7.
  const V t = z * z;
  V p = at::vec::fmadd(V(-1.22036256e-11f), t, V(3.05852603e-8f));
  p = at::vec::fmadd(p, t, V(2.80075656e-5f));
  p = at::vec::fmadd(p, t, V(3.86833327e-3f));
  p = at::vec::fmadd(p, t, V(1.36799195e-1f));
  p = at::vec::fmadd(p, t, V(1.f));
  V q = at::vec::fmadd(V(1.28737381e-6f), t, V(3.93864069e-4f));
  q = at::vec::fmadd(q, t, V(2.72458592e-2f));
  q = at::vec::fmadd(q, t, V(4.70132516e-1f));
  q = at::vec::fmadd(q, t, V(1.f));
  V s = z * p / q;
  s = V::blendv(s, V(1.f), z > V(9.02f));
  return V::blendv(s, V(-1.f), z < V(-9.02f));
}

inline Vectorized<double> tanh_of(Vectorized<double> z) {
  using V = Vectorized<double>;
  // z + z³·P(z²)/Q(z²) on |z| < 0.625, fitted alike, within 6e-19; ±(1 − 2/(exp(2|z|) + 1)) beyond; one division.
  const V t = z * z;
  V p = at::vec::fmadd(V(-0.00019909206517324551), t, V(-0.020496857399098824));
  p = at::vec::fmadd(p, t, V(-0.33333333333333326));
  V q = at::vec::fmadd(V(0.0002064416615087957), t, V(0.023288743169923333));
  q = at::vec::fmadd(q, t, V(0.4614905721972819));
  q = at::vec::fmadd(q, t, V(1.));
  const V magnitude = z.abs();
  const V exponential = (magnitude + magnitude).exp() + V(1.);
  const V far = magnitude > V(0.625);
  const V sign = V::blendv(V(1.), V(-1.), z < V(0.));
  const V base = V::blendv(z, sign, far);
  const V above = V::blendv(z * t * p, V(-2.) * sign, far);
  return base + above / V::blendv(q, exponential, far);
}

template <typename T>
inline Vectorized<T> sigmoid_of(Vectorized<T> z) {
  using V = Vectorized<T>;
  return at::vec::fmadd(V(T(0.5)), tanh_of(V(T(0.5)) * z), V(T(0.5)));
}

struct Tanh {
  static constexpr int kept = 1;
  template <typename T>
  static void begin(Vectorized<T> z, Vectorized<T>& p, Vectorized<T>&) {
    p = tanh_of(z);
  }
  template <typename T>
  static Sigma<T> at(Vectorized<T>, Vectorized<T> p, Vectorized<T>) {
    using V = Vectorized<T>;
    const V square = p * p, first = V(T(1)) - square;
    return {p, first, V(T(-2)) * p * first, first * at::vec::fmadd(V(T(6)), square, V(T(-2)))};
  }
};

struct Sin {
  static constexpr int kept = 2;
  template <typename T>
  static void begin(Vectorized<T> z, Vectorized<T>& p, Vectorized<T>& q) {
    p = z.sin();
    q = z.cos();
  }
  template <typename T>
  static Sigma<T> at(Vectorized<T>, Vectorized<T> p, Vectorized<T> q) {
    return {p, q, p.neg(), q.neg()};
  }
};

struct Sigmoid {
  static constexpr int kept = 1;
  template <typename T>
  static void begin(Vectorized<T> z, Vectorized<T>& p, Vectorized<T>&) {
    p = sigmoid_of(z);
  }
  template <typename T>
  static Sigma<T> at(Vectorized<T>, Vectorized<T> p, Vectorized<T>) {
    using V = Vectorized<T>;
    const V first = p * (V(T(1)) - p);
    return {p, first, first * (V(T(1)) - p - p), first * (V(T(1)) - V(T(6)) * first)};
  }
};

struct Softplus {
  static constexpr int kept = 2;
  template <typename T>
  static void begin(Vectorized<T> z, Vectorized<T>& p, Vectorized<T>& q) {
    using V = Vectorized<T>;
    p = sigmoid_of(z);
    // max(z, 0) + log(1 + exp(−|z|)): no overflow, and NaN stays.
    q = V::blendv(z, V(T(0)), z < V(T(0))) + z.abs().neg().exp().log1p();
  }
  template <typename T>
  static Sigma<T> at(Vectorized<T>, Vectorized<T> p, Vectorized<T> q) {
    using V = Vectorized<T>;
    const V first = p * (V(T(1)) - p);
    return {q, p, first, first * (V(T(1)) - p - p)};
  }
};

struct Silu {
  static constexpr int kept = 1;
  template <typename T>
  static void begin(Vectorized<T> z, Vectorized<T>& p, Vectorized<T>&) {
    p = sigmoid_of(z);
  }
  template <typename T>
  static Sigma<T> at(Vectorized<T> z, Vectorized<T> p, Vectorized<T>) {
    using V = Vectorized<T>;
    const V one(T(1)), first = p * (one - p), second = first * (one - p - p), third = first * (one - V(T(6)) * first);
    return {
        z * p, at::vec::fmadd(z, first, p), at::vec::fmadd(z, second, first + first),
        at::vec::fmadd(z, third, V(T(3)) * second)};
  }
};

struct Gelu {
  static constexpr int kept = 2;
  template <typename T>
  static void begin(Vectorized<T> z, Vectorized<T>& p, Vectorized<T>& q) {
    using V = Vectorized<T>;
    p = V(T(0.5)) * (V(T(1)) + (z * V(T(M_SQRT1_2))).erf());
    q = (V(T(-0.5)) * z * z).exp() * V(T(0.5 * M_SQRT1_2 * M_2_SQRTPI));
  }
  template <typename T>
  static Sigma<T> at(Vectorized<T> z, Vectorized<T> p, Vectorized<T> q) {
    using V = Vectorized<T>;
    const V square = z * z;
    return {z * p, at::vec::fmadd(z, q, p), (V(T(2)) - square) * q, (square - V(T(4))) * z * q};
  }
};

struct Identity {
  static constexpr int kept = 0;
  template <typename T>
  static void begin(Vectorized<T>, Vectorized<T>&, Vectorized<T>&) {}
  template <typename T>
  static Sigma<T> at(Vectorized<T> z, Vectorized<T>, Vectorized<T>) {
    using V = Vectorized<T>;
    return {z, V(T(1)), V(T(0)), V(T(0))};
  }
};

}  // namespace laaf
