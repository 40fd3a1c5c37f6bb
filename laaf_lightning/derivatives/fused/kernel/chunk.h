// One chunk of points through a network, forwards and backwards.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
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

// The points of a chunk and their derivatives by themselves; lanes beyond the last point repeat zeros.
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

// A thread's work on one network.
template <typename T>
class Chunk {
 public:
  // To go backwards, the arrays of all layers are kept while a chunk is worked on; else one array serves all.
  Chunk(const std::vector<Layer<T>>& layers, const Jets& jets, bool backwards)
      : layers_(layers), jets_(jets), backwards_(backwards), arrays_(backwards ? layers.size() : 1) {
    int64_t widest = 0;
    for (const auto& layer : layers) widest = std::max({widest, layer.inputs, layer.outputs});
    const int64_t stride = stride_of<T>(jets.count());
    for (size_t l = 0; l < arrays_.size(); ++l) {
      arrays_[l].input.resize((backwards ? layers[l].inputs : widest) * stride);
      arrays_[l].z.resize((backwards ? layers[l].outputs : widest) * stride);
      arrays_[l].state.resize((backwards ? layers[l].outputs : widest) * kMostKept * kPoints<T>);
    }
    for (auto* gradient : {&gradient_, &next_}) gradient->resize(backwards ? widest * stride : 0);
  }

  // Returns the jets of the outputs, [output][jet][point]; to go backwards they are not needed, and null is returned.
  const T* forward(const T* points, int64_t dimension, int64_t count) {
    load_points(points, dimension, count, jets_, of(0).input.data());
    for (size_t l = 0; l < layers_.size(); ++l) {
      const auto& layer = layers_[l];
      if (layer.activation < 0 && backwards_) return nullptr;
      auto& [input, z, state] = of(l);
      const T* bias = layer.bias.empty() ? nullptr : layer.bias.data();
      product(layer.by_input.data(), layer.inputs, layer.outputs, bias, input.data(), z.data(), jets_.count());
      if (layer.activation < 0) break;
      with_activation(layer.activation, [&, &z = z, &state = state](auto sigma) {
        with_jets(jets_, [&](const auto& jets) {
          activate<decltype(sigma)>(z.data(), of(l + 1).input.data(), state.data(), layer.outputs, jets);
        });
      });
    }
    return of(layers_.size() - 1).z.data();
  }

  // The gradient by the jets of the outputs, to be written before `backward`.
  T* output_gradient() { return gradient_.data(); }

  // After `forward`: adds to the sums of every layer's weights and bias, by lane where `by_lane` says so.
  void backward(std::vector<Array<T>>& sums, const std::vector<bool>& by_lane) {
    for (size_t l = layers_.size(); l-- > 0;) {
      const auto& layer = layers_[l];
      T* weights = sums[l].data();
      outer_product(
          gradient_.data(), layer.outputs, of(l).input.data(), layer.inputs, jets_.count(), weights, by_lane[l]);
      T* bias = weights + layer.outputs * layer.inputs * (by_lane[l] ? lanes<T> : 1);
      if (!layer.bias.empty()) sum_points(gradient_.data(), layer.outputs, jets_.count(), bias, by_lane[l]);
      if (l == 0) break;
      const T* none = nullptr;
      product(
          layer.by_output.data(), layer.outputs, layer.inputs, none, gradient_.data(), next_.data(), jets_.count());
      std::swap(gradient_, next_);
      const auto& before = of(l - 1);
      with_activation(layers_[l - 1].activation, [&](auto sigma) {
        with_jets(jets_, [&](const auto& jets) {
          activate_backward<decltype(sigma)>(
              before.z.data(), before.state.data(), gradient_.data(), layer.inputs, jets);
        });
      });
    }
  }

 private:
  struct Arrays {
    Array<T> input, z, state;  // what goes into a layer, Wx + b, and the p and q of σ
  };

  Arrays& of(size_t l) { return arrays_[backwards_ ? l : 0]; }

  const std::vector<Layer<T>>& layers_;
  const Jets& jets_;
  bool backwards_;
  std::vector<Arrays> arrays_;
  Array<T> gradient_, next_;
};

}  // namespace laaf
