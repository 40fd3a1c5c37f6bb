// One chunk of points through a network, forwards and backwards.

#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "jets.h"

namespace laaf {

// An affine map, its slope folded in, and the activation after it.
template <typename T>
struct Layer {
  int64_t inputs, outputs, activation;  // activation < 0: none, the last layer
  Array<T> by_output, by_input;         // weights as (outputs, inputs) and as (inputs, outputs)
  Array<T> bias;                        // empty for none
};

// The points of a chunk and their derivatives by themselves; beyond the last point stand zeros.
template <typename T>
void load_points(const T* points, int64_t dimension, int64_t count, const Jets& jets, T* x) {
  for (int64_t i = 0; i < dimension; ++i, x += stride_of<T>(jets.count())) {
    std::fill(x, x + jets.count() * kPoints<T>, T(0));
    for (int64_t k = 0; k < count; ++k) x[k] = points[k * dimension + i];
    for (int j = 0; j < jets.firsts; ++j) {
      if (jets.columns[j] == i) std::fill(x + (j + 1) * kPoints<T>, x + (j + 2) * kPoints<T>, T(1));
    }
  }
}

// Memory of the calling thread, not cleared and kept for the next call, some hundred kB for a narrow network.
template <typename T>
T* scratch(int64_t size) {
  thread_local Array<T> memory;
  if (static_cast<int64_t>(memory.size()) < size) memory.resize(size);
  return memory.data();
}

// A thread's work on one network; a thread does one at a time.
template <typename T>
class Chunk {
 public:
  // To go backwards, the arrays of all layers are kept while a chunk is worked on; else one array serves all.
  Chunk(const std::vector<Layer<T>>& layers, const Jets& jets, bool backwards)
      : layers_(layers), jets_(jets), backwards_(backwards), arrays_(backwards ? layers.size() : 1) {
    const int64_t stride = stride_of<T>(jets.count());
    int64_t widest = 0, size = 0;
    for (const auto& layer : layers) widest = std::max({widest, layer.inputs, layer.outputs});
    const auto take = [&](T*& array, int64_t length) {
      array = memory_ == nullptr ? nullptr : memory_ + size;
      size += length;
    };
    for (int pass = 0; pass < 2; ++pass) {  // first for the size, then for the places
      size = 0;
      for (size_t l = 0; l < arrays_.size(); ++l) {
        take(arrays_[l].input, (backwards ? layers[l].inputs : widest) * stride);
        take(arrays_[l].z, (backwards ? layers[l].outputs : widest) * stride);
        take(arrays_[l].state, (backwards ? layers[l].outputs : widest) * kMostKept * kPoints<T>);
      }
      take(gradient_, widest * stride);
      take(next_, widest * stride);
      if (pass == 0) memory_ = scratch<T>(size);
    }
  }

  // Returns the jets of the outputs, [output][jet][point]; to go backwards they are not needed, and null is returned.
  const T* forward(const T* points, int64_t dimension, int64_t count) {
    used_ = used_of<T>(count);
    load_points(points, dimension, count, jets_, of(0).input);
    for (size_t l = 0; l < layers_.size(); ++l) {
      const auto& layer = layers_[l];
      if (layer.activation < 0 && backwards_) return nullptr;
      const auto [input, z, state] = of(l);
      const T* bias = layer.bias.empty() ? nullptr : layer.bias.data();
      product(layer.by_input.data(), layer.inputs, layer.outputs, bias, input, z, jets_.count(), used_);
      if (layer.activation < 0) break;
      with_activation(layer.activation, [&, z = z, state = state](auto sigma) {
        with_jets(jets_, [&](const auto& jets) {
          activate<decltype(sigma)>(z, of(l + 1).input, state, layer.outputs, used_, jets);
        });
      });
    }
    return of(layers_.size() - 1).z;
  }

  // The gradient by the jets of the outputs, to be written before `backward`.
  T* output_gradient() { return gradient_; }

  // After `forward`: adds to the sums of every layer's weights and bias, by lane where `by_lane` says so.
  void backward(std::vector<Array<T>>& sums, const std::vector<bool>& by_lane) {
    for (size_t l = layers_.size(); l-- > 0;) {
      const auto& layer = layers_[l];
      T* weights = sums[l].data();
      outer_product(gradient_, layer.outputs, of(l).input, layer.inputs, jets_.count(), used_, weights, by_lane[l]);
      T* bias = weights + layer.outputs * layer.inputs * (by_lane[l] ? lanes<T> : 1);
      if (!layer.bias.empty()) sum_points(gradient_, layer.outputs, jets_.count(), used_, bias, by_lane[l]);
      if (l == 0) break;
      const T* none = nullptr;
      product(layer.by_output.data(), layer.outputs, layer.inputs, none, gradient_, next_, jets_.count(), used_);
      std::swap(gradient_, next_);
      const auto& before = of(l - 1);
      with_activation(layers_[l - 1].activation, [&](auto sigma) {
        with_jets(jets_, [&](const auto& jets) {
          activate_backward<decltype(sigma)>(before.z, before.state, gradient_, layer.inputs, used_, jets);
        });
      });
    }
  }

 private:
  struct Arrays {
    T *input, *z, *state;  // what goes into a layer, Wx + b, and the p and q of σ
  };

  Arrays& of(size_t l) { return arrays_[backwards_ ? l : 0]; }

  const std::vector<Layer<T>>& layers_;
  const Jets& jets_;
  bool backwards_;
  std::vector<Arrays> arrays_;
  T *memory_ = nullptr, *gradient_, *next_;
  int64_t used_ = 0;
};

}  // namespace laaf
