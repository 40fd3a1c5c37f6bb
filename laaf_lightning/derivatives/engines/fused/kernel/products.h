// The three matrix products of a layer, on chunks of points that fill the vector lanes.
//
// Arrays of a chunk are [feature][jet][point], so that each product is a broadcast weight times a vector of points, and
// blocks of outputs stay in registers.

#pragma once

#include <ATen/cpu/vec/vec.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace laaf {

using at::vec::Vectorized;

template <typename T>
constexpr int64_t lanes = Vectorized<T>::size();

// A vector that begins where a cache line does: a load across two lines takes twice as long.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t line{64};
  LineAllocator() = default;
  template <typename U>
  LineAllocator(const LineAllocator<U>&) {}
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), line)); }
  void deallocate(T* memory, size_t) { ::operator delete(memory, line); }
  bool operator==(const LineAllocator&) const { return true; }
  bool operator!=(const LineAllocator&) const { return false; }
};
template <typename T>
using Array = std::vector<T, LineAllocator<T>>;

constexpr int64_t kVectors = 8;  // of points in a chunk

template <typename T>
constexpr int64_t kPoints = kVectors * lanes<T>;

// From one feature to the next. One vector more than the jets need: otherwise the rows that a block reads and writes
// would lie a power of two apart and push each other out of the first-level cache.
template <typename T>
int64_t stride_of(int64_t jets) {
  return jets * kPoints<T> + lanes<T>;
}

// With 32 vector registers a block holds up to 6 × 4 sums, with 16 up to 6 × 2.
#if defined(CPU_CAPABILITY_AVX512) || defined(__aarch64__)
constexpr int kColumns = 4;
#else
constexpr int kColumns = 2;
#endif
constexpr int kRows = 6;

// The points of a chunk that are computed: those that are there, in whole blocks.
template <typename T>
int64_t used_of(int64_t count) {
  constexpr int64_t block = kColumns * lanes<T>;
  return (count + block - 1) / block * block;
}

// apply(0) … apply(N − 1) one after the other, each index a constant: compilers then keep arrays of vectors in
// registers, which they do not for loops.
template <typename Do, int... k>
inline void unroll_over(const Do& apply, std::integer_sequence<int, k...>) {
  (apply(std::integral_constant<int, k>()), ...);
}
template <int N, typename Do>
inline void unroll(const Do& apply) {
  unroll_over(apply, std::make_integer_sequence<int, N>());
}

// Splits `count` into as few blocks of at most `largest` as there can be, as even as they can be.
template <typename Do>
inline void in_blocks(int64_t count, int64_t largest, const Do& apply) {
  const int64_t blocks = (count + largest - 1) / largest;
  for (int64_t k = 0, start = 0; k < blocks; ++k) {
    const int64_t size = (count - start + blocks - k - 1) / (blocks - k);
    apply(start, size);
    start += size;
  }
}

// R outputs of one block of points of one jet.
template <typename T, int R>
inline void product_block(
    const T* weight, int64_t stride, int64_t inputs, const T* bias, const T* x, T* y, int64_t feature) {
  using V = Vectorized<T>;
  V sum[R][kColumns];
  unroll<R>([&](auto r) {
    const V start(bias[r]);
    unroll<kColumns>([&](auto c) { sum[r][c] = start; });
  });
  for (int64_t i = 0; i < inputs; ++i, x += feature, weight += stride) {
    V loaded[kColumns];
    unroll<kColumns>([&](auto c) { loaded[c] = V::loadu(x + c * lanes<T>); });
    unroll<R>([&](auto r) {
      const V w(weight[r]);
      unroll<kColumns>([&](auto c) { sum[r][c] = at::vec::fmadd(w, loaded[c], sum[r][c]); });
    });
  }
  unroll<R>([&](auto r) {
    unroll<kColumns>([&](auto c) { sum[r][c].store(y + r * feature + c * lanes<T>); });
  });
}

// y[o][j][p] = Σ_i weights[i][o]·x[i][j][p] + (bias[o] where j = 0), for the first `used` points
template <typename T>
void product(
    const T* weights, int64_t inputs, int64_t outputs, const T* bias, const T* x, T* y, int64_t jets, int64_t used) {
  constexpr T zeros[kRows] = {};
  const int64_t feature = stride_of<T>(jets);
  const auto columns = [&](int64_t start) {
    in_blocks(outputs, kRows, [&](int64_t o, int64_t rows) {
      const T* w = weights + o;
      const T* b = bias == nullptr || start >= kPoints<T> ? zeros : bias + o;
      const T* from = x + start;
      T* to = y + o * feature + start;
      switch (rows) {
        case 6: return product_block<T, 6>(w, outputs, inputs, b, from, to, feature);
        case 5: return product_block<T, 5>(w, outputs, inputs, b, from, to, feature);
        case 4: return product_block<T, 4>(w, outputs, inputs, b, from, to, feature);
        case 3: return product_block<T, 3>(w, outputs, inputs, b, from, to, feature);
        case 2: return product_block<T, 2>(w, outputs, inputs, b, from, to, feature);
        default: return product_block<T, 1>(w, outputs, inputs, b, from, to, feature);
      }
    });
  };
  for (int64_t j = 0; j < jets; ++j) {
    for (int64_t p = 0; p < used; p += kColumns * lanes<T>) columns(j * kPoints<T> + p);
  }
}

template <typename T>
inline T total(const Vectorized<T>& vector) {
  T values[lanes<T>];
  vector.store(values);
  T sum = values[0];
  for (int64_t k = 1; k < lanes<T>; ++k) sum += values[k];
  return sum;
}

template <typename T, int R, int C>
inline void outer_block(
    const T* g, const T* x, int64_t jets, int64_t used, T* sums, int64_t stride, bool vectors) {
  using V = Vectorized<T>;
  const int64_t feature = stride_of<T>(jets);
  V sum[R][C];
  unroll<R>([&](auto r) { unroll<C>([&](auto c) { sum[r][c] = V(T(0)); }); });
  for (int64_t j = 0; j < jets; ++j) {
    for (int64_t m = j * kPoints<T>; m < j * kPoints<T> + used; m += lanes<T>) {
      V right[C];
      unroll<C>([&](auto c) { right[c] = V::loadu(x + c * feature + m); });
      unroll<R>([&](auto r) {
        const V left = V::loadu(g + r * feature + m);
        unroll<C>([&](auto c) { sum[r][c] = at::vec::fmadd(left, right[c], sum[r][c]); });
      });
    }
  }
  unroll<R>([&](auto r) {
    unroll<C>([&](auto c) {
      if (vectors) {
        T* at = sums + (r * stride + c) * lanes<T>;
        (V::loadu(at) + sum[r][c]).store(at);
      } else {
        sums[r * stride + c] += total(sum[r][c]);
      }
    });
  });
}

// sums[o][i] += Σ_jp g[o][j][p]·x[i][j][p] over the first `used` points; with `vectors` the sum over a vector's lanes is
// left for later, which is faster where the sums stay in the cache.
template <typename T>
void outer_product(
    const T* g, int64_t outputs, const T* x, int64_t inputs, int64_t jets, int64_t used, T* sums, bool vectors) {
  const int64_t feature = stride_of<T>(jets);
  const int64_t width = vectors ? lanes<T> : 1;
  in_blocks(outputs, kRows, [&](int64_t o, int64_t rows) {
    in_blocks(inputs, kColumns, [&](int64_t i, int64_t columns) {
      const T *left = g + o * feature, *right = x + i * feature;
      T* to = sums + (o * inputs + i) * width;
#define LAAF_OUTER(R, C) \
  case (R) * 8 + (C): return outer_block<T, R, C>(left, right, jets, used, to, inputs, vectors);
#define LAAF_OUTERS(C) \
  LAAF_OUTER(1, C) LAAF_OUTER(2, C) LAAF_OUTER(3, C) LAAF_OUTER(4, C) LAAF_OUTER(5, C) LAAF_OUTER(6, C)
      switch (rows * 8 + columns) {
        LAAF_OUTERS(1)
        LAAF_OUTERS(2)
#if defined(CPU_CAPABILITY_AVX512) || defined(__aarch64__)
        LAAF_OUTERS(3)
        LAAF_OUTERS(4)
#endif
      }
#undef LAAF_OUTERS
#undef LAAF_OUTER
    });
  });
}

// sums[o] += Σ_p g[o][0][p]
template <typename T>
void sum_points(const T* g, int64_t outputs, int64_t jets, int64_t used, T* sums, bool vectors) {
  using V = Vectorized<T>;
  for (int64_t o = 0; o < outputs; ++o) {
    V sum(T(0));
    for (int64_t p = 0; p < used; p += lanes<T>) sum = sum + V::loadu(g + o * stride_of<T>(jets) + p);
    if (vectors) {
      (V::loadu(sums + o * lanes<T>) + sum).store(sums + o * lanes<T>);
    } else {
      sums[o] += total(sum);
    }
  }
}

}  // namespace laaf
