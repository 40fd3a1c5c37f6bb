// One chunk of points through a network, forwards and backwards.

#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "activations.h"
#include "products.h"

namespace laaf {

// Which derivatives are carried: jet 0 is the value, then those of first order, then those of second order.
struct Jets {
  int64_t count = 1;
  std::vector<int64_t> columns;               // of the coordinates of each first-order jet
  std::vector<std::array<int64_t, 2>> pairs;  // of first-order jets, by their place, for each second-order jet

  int64_t firsts() const { return static_cast<int64_t>(columns.size()); }
};

constexpr int64_t kMostFirsts = 3;

// An affine map, its slope folded in, and the activation after it.
template <typename T>
struct Layer {
  int64_t inputs, outputs, activation;  // activation < 0: none, the last layer
  Array<T> by_output, by_input;         // weights as (outputs, inputs) and as (inputs, outputs)
  Array<T> bias;                        // empty for none
};

// Where a layer's arrays of a chunk begin: what goes in, z = Wx + b, and the p and q of σ(z).
template <typename T>
struct Buffers {
  Array<T> input, z, state;
};

// s = σ(z) and its derivatives by the coordinates, Faà di Bruno's formula to order 2.
template <typename S, typename T>
void activate(const T* z, T* s, T* state, int64_t features, const Jets& jets) {
  using V = Vectorized<T>;
  const int64_t firsts = jets.firsts(), seconds = static_cast<int64_t>(jets.pairs.size());
  for (int64_t f = 0; f < features; ++f, z += jets.count * kPoints<T>, s += jets.count * kPoints<T>) {
    for (int64_t v = 0; v < kPoints<T>; v += lanes<T>, state += 2 * lanes<T>) {
      const V value = V::loadu(z + v);
      V p(T(0)), q(T(0));
      S::begin(value, p, q);
      p.store(state);
      q.store(state + lanes<T>);
      const Sigma<T> sigma = S::at(value, p, q);
      sigma.value.store(s + v);
      for (int64_t j = 1; j <= firsts; ++j) {
        (sigma.first * V::loadu(z + j * kPoints<T> + v)).store(s + j * kPoints<T> + v);
      }
      for (int64_t k = 0; k < seconds; ++k) {
        const int64_t j = 1 + firsts + k;
        const V a = V::loadu(z + (1 + jets.pairs[k][0]) * kPoints<T> + v);
        const V b = V::loadu(z + (1 + jets.pairs[k][1]) * kPoints<T> + v);
        const V both = V::loadu(z + j * kPoints<T> + v);
        at::vec::fmadd(sigma.second * a, b, sigma.first * both).store(s + j * kPoints<T> + v);
      }
    }
  }
}

// Turns the gradient by s into the gradient by z, in place.
template <typename S, typename T>
void activate_backward(const T* z, const T* state, T* g, int64_t features, const Jets& jets) {
  using V = Vectorized<T>;
  const int64_t firsts = jets.firsts(), seconds = static_cast<int64_t>(jets.pairs.size());
  for (int64_t f = 0; f < features; ++f, z += jets.count * kPoints<T>, g += jets.count * kPoints<T>) {
    for (int64_t v = 0; v < kPoints<T>; v += lanes<T>, state += 2 * lanes<T>) {
      const Sigma<T> sigma = S::at(V::loadu(z + v), V::loadu(state), V::loadu(state + lanes<T>));
      V by_value = sigma.first * V::loadu(g + v);
      V first[kMostFirsts], by_first[kMostFirsts];
      for (int64_t j = 0; j < firsts; ++j) {
        first[j] = V::loadu(z + (j + 1) * kPoints<T> + v);
        const V gradient = V::loadu(g + (j + 1) * kPoints<T> + v);
        by_value = at::vec::fmadd(sigma.second * first[j], gradient, by_value);
        by_first[j] = sigma.first * gradient;
      }
      for (int64_t k = 0; k < seconds; ++k) {
        const auto [a, b] = jets.pairs[k];
        const int64_t at = (1 + firsts + k) * kPoints<T> + v;
        const V gradient = V::loadu(g + at), bent = sigma.second * gradient;
        const V slope = at::vec::fmadd(sigma.third * first[a], first[b], sigma.second * V::loadu(z + at));
        by_value = at::vec::fmadd(slope, gradient, by_value);
        by_first[a] = at::vec::fmadd(bent, first[b], by_first[a]);
        by_first[b] = at::vec::fmadd(bent, first[a], by_first[b]);
        (sigma.first * gradient).store(g + at);
      }
      by_value.store(g + v);
      for (int64_t j = 0; j < firsts; ++j) by_first[j].store(g + (j + 1) * kPoints<T> + v);
    }
  }
}

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

// The points of a chunk and their derivatives by themselves; lanes beyond the last point repeat zeros.
template <typename T>
void load_points(const T* points, int64_t dimension, int64_t count, const Jets& jets, T* x) {
  for (int64_t i = 0; i < dimension; ++i, x += jets.count * kPoints<T>) {
    std::fill(x, x + jets.count * kPoints<T>, T(0));
    for (int64_t k = 0; k < count; ++k) x[k] = points[k * dimension + i];
    for (int64_t j = 0; j < jets.firsts(); ++j) {
      if (jets.columns[j] == i) std::fill(x + (j + 1) * kPoints<T>, x + (j + 2) * kPoints<T>, T(1));
    }
  }
}

// A thread's work on one network.
template <typename T>
class Chunk {
 public:
  Chunk(const std::vector<Layer<T>>& layers, const Jets& jets, bool keeps) : jets_(jets), keeps_(keeps) {
    const int64_t jet_points = jets.count * kPoints<T>;
    int64_t widest = 0;
    for (const auto& layer : layers) widest = std::max({widest, layer.inputs, layer.outputs});
    buffers_.resize(keeps ? layers.size() : 1);
    for (size_t l = 0; l < buffers_.size(); ++l) {
      const int64_t inputs = keeps ? layers[l].inputs : widest, outputs = keeps ? layers[l].outputs : widest;
      buffers_[l].input.resize(inputs * jet_points);
      buffers_[l].z.resize(outputs * jet_points);
      buffers_[l].state.resize(outputs * 2 * kPoints<T>);
    }
    for (auto& gradient : gradients_) gradient.resize(keeps ? widest * jet_points : 0);
  }

  // Returns the jets of the outputs, [output][jet][point].
  const T* forward(const std::vector<Layer<T>>& layers, const T* points, int64_t dimension, int64_t count) {
    load_points(points, dimension, count, jets_, at(0).input.data());
    for (size_t l = 0; l < layers.size(); ++l) {
      const auto& layer = layers[l];
      const T* bias = layer.bias.empty() ? nullptr : layer.bias.data();
      product(
          layer.by_input.data(), layer.inputs, layer.outputs, bias, at(l).input.data(), at(l).z.data(), jets_.count);
      if (layer.activation < 0) continue;
      with_activation(layer.activation, [&](auto sigma) {
        activate<decltype(sigma)>(
            at(l).z.data(), at(l + 1).input.data(), at(l).state.data(), layer.outputs, jets_);
      });
    }
    return at(layers.size() - 1).z.data();
  }

  T* output_gradient() { return gradients_[0].data(); }

  // Adds to the sums of every layer's weights and bias, after `forward` with `keeps`.
  void backward(const std::vector<Layer<T>>& layers, std::vector<Array<T>>& sums, const std::vector<char>& vectors) {
    T *g = gradients_[0].data(), *next = gradients_[1].data();
    for (size_t l = layers.size(); l-- > 0;) {
      const auto& layer = layers[l];
      const bool by_lane = vectors[l] != 0;
      T* weights = sums[l].data();
      outer_product(g, layer.outputs, at(l).input.data(), layer.inputs, jets_.count, weights, by_lane);
      T* bias = weights + layer.outputs * layer.inputs * (by_lane ? lanes<T> : 1);
      if (!layer.bias.empty()) sum_points(g, layer.outputs, jets_.count, bias, by_lane);
      if (l == 0) break;
      const T* none = nullptr;
      product(layer.by_output.data(), layer.outputs, layer.inputs, none, g, next, jets_.count);
      std::swap(g, next);
      with_activation(layers[l - 1].activation, [&](auto sigma) {
        activate_backward<decltype(sigma)>(
            at(l - 1).z.data(), at(l - 1).state.data(), g, layers[l - 1].outputs, jets_);
      });
    }
  }

 private:
  Buffers<T>& at(size_t l) { return buffers_[keeps_ ? l : 0]; }

  const Jets& jets_;
  bool keeps_;
  std::vector<Buffers<T>> buffers_;
  std::array<Array<T>, 2> gradients_;
};

}  // namespace laaf
