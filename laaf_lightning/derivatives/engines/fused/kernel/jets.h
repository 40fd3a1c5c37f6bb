// Which derivatives of each feature are carried, and how an activation combines them.

#pragma once

#include <cstdint>

#include "activations.h"
#include "products.h"

namespace laaf {

constexpr int kMostFirsts = 3;
constexpr int kMostSeconds = 6;

// Which derivatives are carried: jet 0 is the value, then those of first order, then those of second order, each of
// which belongs to two of first order, by their place among them.
struct Jets {
  int firsts = 0, seconds = 0;
  int columns[kMostFirsts];  // of the coordinates
  int pairs[kMostSeconds][2];

  int64_t count() const { return 1 + firsts + seconds; }
};

// The same, known to the compiler: F of first order, and second ones by the pairs, written as two digits.
template <int F, int... packed>
struct FixedJets {
  static constexpr int firsts = F, seconds = sizeof...(packed);
  static constexpr int pairs[kMostSeconds][2] = {{packed / 10, packed % 10}...};

  static constexpr int64_t count() { return 1 + firsts + seconds; }
  static bool same(const Jets& jets) {
    bool same = jets.firsts == firsts && jets.seconds == seconds;
    for (int k = 0; same && k < seconds; ++k) same = jets.pairs[k][0] == pairs[k][0] && jets.pairs[k][1] == pairs[k][1];
    return same;
  }
};

// Calls apply with the jets as constants for what most equations ask for: values alone, u_x and u_xx, evolution in time
// (u_x, u_t, u_xx), and the Laplacian in two coordinates.
template <typename Do>
void with_jets(const Jets& jets, const Do& apply) {
  if (FixedJets<0>::same(jets)) return apply(FixedJets<0>());
  if (FixedJets<1, 00>::same(jets)) return apply(FixedJets<1, 00>());
  if (FixedJets<2, 00>::same(jets)) return apply(FixedJets<2, 00>());
  if (FixedJets<2, 00, 11>::same(jets)) return apply(FixedJets<2, 00, 11>());
  apply(jets);
}

// s = σ(z) and its derivatives by the coordinates, Faà di Bruno's formula to order 2; leaves p and q in `state`.
template <typename S, typename T, typename AnyJets>
void activate(const T* z, T* s, T* state, int64_t features, int64_t used, const AnyJets& jets) {
  using V = Vectorized<T>;
  const int64_t feature = stride_of<T>(jets.count());
  for (int64_t f = 0; f < features; ++f, z += feature, s += feature) {
    for (int64_t v = 0; v < used; v += lanes<T>, state += S::kept * lanes<T>) {
      const V value = V::loadu(z + v);
      V p(T(0)), q(T(0));
      S::begin(value, p, q);
      if (S::kept > 0) p.store(state);
      if (S::kept > 1) q.store(state + lanes<T>);
      const Sigma<T> sigma = S::at(value, p, q);
      sigma.value.store(s + v);
      V first[kMostFirsts];
      for (int j = 0; j < jets.firsts; ++j) {
        first[j] = V::loadu(z + (j + 1) * kPoints<T> + v);
        (sigma.first * first[j]).store(s + (j + 1) * kPoints<T> + v);
      }
      for (int k = 0; k < jets.seconds; ++k) {
        const int64_t at = (1 + jets.firsts + k) * kPoints<T> + v;
        const V bend = sigma.second * first[jets.pairs[k][0]];
        at::vec::fmadd(bend, first[jets.pairs[k][1]], sigma.first * V::loadu(z + at)).store(s + at);
      }
    }
  }
}

// Turns the gradient by s into the gradient by z, in place.
template <typename S, typename T, typename AnyJets>
void activate_backward(const T* z, const T* state, T* g, int64_t features, int64_t used, const AnyJets& jets) {
  using V = Vectorized<T>;
  const int64_t feature = stride_of<T>(jets.count());
  for (int64_t f = 0; f < features; ++f, z += feature, g += feature) {
    for (int64_t v = 0; v < used; v += lanes<T>, state += S::kept * lanes<T>) {
      const V p = S::kept > 0 ? V::loadu(state) : V(T(0)), q = S::kept > 1 ? V::loadu(state + lanes<T>) : V(T(0));
      const Sigma<T> sigma = S::at(V::loadu(z + v), p, q);
      V by_value = sigma.first * V::loadu(g + v);
      V first[kMostFirsts], by_first[kMostFirsts];
      for (int j = 0; j < jets.firsts; ++j) {
        first[j] = V::loadu(z + (j + 1) * kPoints<T> + v);
        const V gradient = V::loadu(g + (j + 1) * kPoints<T> + v);
        by_value = at::vec::fmadd(sigma.second * first[j], gradient, by_value);
        by_first[j] = sigma.first * gradient;
      }
      for (int k = 0; k < jets.seconds; ++k) {
        const int a = jets.pairs[k][0], b = jets.pairs[k][1];
        const int64_t at = (1 + jets.firsts + k) * kPoints<T> + v;
        const V gradient = V::loadu(g + at), bent = sigma.second * gradient;
        const V slope = at::vec::fmadd(sigma.third * first[a], first[b], sigma.second * V::loadu(z + at));
        by_value = at::vec::fmadd(slope, gradient, by_value);
        by_first[a] = at::vec::fmadd(bent, first[b], by_first[a]);
        by_first[b] = at::vec::fmadd(bent, first[a], by_first[b]);
        (sigma.first * gradient).store(g + at);
      }
      by_value.store(g + v);
      for (int j = 0; j < jets.firsts; ++j) by_first[j].store(g + (j + 1) * kPoints<T> + v);
    }
  }
}

// By the codes that the operator is given.
template <typename Do>
void with_activation(int64_t code, const Do& apply) {
  switch (code) {
    case 0: return apply(Identity());
    case 1: return apply(Tanh());
    case 2: return apply(Sin());
    case 3: return apply(Sigmoid());
    case 4: return apply(Softplus());
    case 5: return apply(Silu());
    default: return apply(Gelu());
  }
}
constexpr int64_t kActivations = 7;

}  // namespace laaf
