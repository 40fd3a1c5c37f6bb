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
  Chunk(const std::vector<Layer<T>>& layers, const Jets& jets) : layers_(layers), jets_(jets) {
    int64_t widest = 0;
    const int64_t stride = stride_of<T>(jets.count());
    for (const auto& layer : layers) {
      widest = std::max({widest, layer.inputs, layer.outputs});
      z_.emplace_back(layer.outputs * stride);
      state_.emplace_back(layer.outputs * kMostKept * kPoints<T>);
    }
    for (auto* buffer : {&input_, &gradient_, &next_}) buffer->resize(widest * stride);
  }

  // Returns the jets of the outputs, [output][jet][point].
  const T* forward(const T* points, int64_t dimension, int64_t count) {
    load_points(points, dimension, count, jets_, input_.data());
    for (size_t l = 0; l < layers_.size(); ++l) {
      const auto& layer = layers_[l];
      const T* bias = layer.bias.empty() ? nullptr : layer.bias.data();
      product(layer.by_input.data(), layer.inputs, layer.outputs, bias, input_.data(), z_[l].data(), jets_.count());
      if (layer.activation >= 0) activate_layer<false>(l);
    }
    return z_.back().data();
  }

  // The gradient by the jets of the outputs, to be written before `backward`.
  T* output_gradient() { return gradient_.data(); }

  // After `forward` on the same chunk: adds to the sums of every layer's weights and bias, by lane where `by_lane` says so.
  void backward(
      const T* points, int64_t dimension, int64_t count, std::vector<Array<T>>& sums,
      const std::vector<bool>& by_lane) {
    for (size_t l = layers_.size(); l-- > 0;) {
      const auto& layer = layers_[l];
      if (l > 0) {
        activate_layer<true>(l - 1);
      } else {
        load_points(points, dimension, count, jets_, input_.data());
      }
      T* weights = sums[l].data();
      outer_product(
          gradient_.data(), layer.outputs, input_.data(), layer.inputs, jets_.count(), weights, by_lane[l]);
      T* bias = weights + layer.outputs * layer.inputs * (by_lane[l] ? lanes<T> : 1);
      if (!layer.bias.empty()) sum_points(gradient_.data(), layer.outputs, jets_.count(), bias, by_lane[l]);
      if (l == 0) break;
      const T* none = nullptr;
      product(
          layer.by_output.data(), layer.outputs, layer.inputs, none, gradient_.data(), next_.data(), jets_.count());
      std::swap(gradient_, next_);
      with_activation(layers_[l - 1].activation, [&](auto sigma) {
        with_jets(jets_, [&](const auto& jets) {
          activate_backward<decltype(sigma)>(
              z_[l - 1].data(), state_[l - 1].data(), gradient_.data(), layers_[l - 1].outputs, jets);
        });
      });
    }
  }

 private:
  template <bool again>
  void activate_layer(size_t l) {
    with_activation(layers_[l].activation, [&](auto sigma) {
      with_jets(jets_, [&](const auto& jets) {
        activate<decltype(sigma), again>(z_[l].data(), input_.data(), state_[l].data(), layers_[l].outputs, jets);
      });
    });
  }

  const std::vector<Layer<T>>& layers_;
  const Jets& jets_;
  std::vector<Array<T>> z_, state_;
  Array<T> input_, gradient_, next_;
};

}  // namespace laaf
