// The tensors of a call: checked, folded into layers, and their gradients taken back from the layers'.

#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "chunk.h"

namespace laaf {

using at::IntArrayRef;
using at::Tensor;
using at::TensorList;

constexpr int64_t kLayerCodes = 3;  // of a layer: its activation, has it a bias, has it a slope

// Points (N, d), or (K, N, d) with each network's own, and the derivatives that are wanted there.
struct PointSet {
  Tensor points;
  Jets jets;
  int64_t count;
};

// The tensors of one call, checked. A leading axis of the parameters holds several networks.
struct Arguments {
  std::vector<PointSet> sets;
  std::vector<Tensor> parameters;
  IntArrayRef codes;
  bool stacked;
  int64_t networks, dimension;

  size_t layers() const { return codes.size() / kLayerCodes; }
};

inline Jets jets_of(IntArrayRef orders) {
  Jets jets;
  for (size_t k = 0; k < orders.size(); k += 2) {
    if (orders[k + 1] < 0) {
      TORCH_CHECK(
          jets.seconds == 0 && jets.firsts < kMostFirsts, "first derivatives come first, up to ", kMostFirsts);
      jets.columns[jets.firsts++] = static_cast<int>(orders[k]);
      continue;
    }
    TORCH_CHECK(jets.seconds < kMostSeconds, "up to ", kMostSeconds, " second derivatives");
    for (int side = 0; side < 2; ++side) {
      const auto* found = std::find(jets.columns, jets.columns + jets.firsts, orders[k + side]);
      TORCH_CHECK(found != jets.columns + jets.firsts, "a second derivative needs its first ones");
      jets.pairs[jets.seconds][side] = static_cast<int>(found - jets.columns);
    }
    ++jets.seconds;
  }
  return jets;
}

inline Arguments checked(
    TensorList points, TensorList parameters, IntArrayRef codes, IntArrayRef orders, IntArrayRef derivatives) {
  TORCH_CHECK(!codes.empty() && codes.size() % kLayerCodes == 0, "three codes for each layer");
  TORCH_CHECK(!points.empty() && points.size() == derivatives.size(), "one number of derivatives for each point set");
  Arguments call;
  call.codes = codes;
  size_t expected = 0;
  for (size_t l = 0; l < codes.size(); l += kLayerCodes) {
    TORCH_CHECK(codes[l] < kActivations, "unknown activation ", codes[l]);
    TORCH_CHECK((codes[l] < 0) == (l + kLayerCodes == codes.size()), "the last layer alone has no activation");
    expected += 1 + codes[l + 1] + codes[l + 2];
  }
  TORCH_CHECK(parameters.size() == expected, parameters.size(), " parameters where ", expected, " belong");
  for (const Tensor& parameter : parameters) {
    TORCH_CHECK(
        parameter.scalar_type() == points[0].scalar_type() && parameter.device().is_cpu(), "parameters are ",
        parameter.scalar_type(), " on ", parameter.device(), ", points are ", points[0].scalar_type(), " on the CPU");
    call.parameters.push_back(parameter.contiguous());
  }
  call.stacked = parameters[0].dim() == 3;
  call.networks = call.stacked ? parameters[0].size(0) : 1;
  TORCH_CHECK(call.networks > 0, "no networks");
  call.dimension = points[0].size(-1);
  size_t next = 0;
  for (size_t s = 0; s < points.size(); ++s) {
    const Tensor& own = points[s];
    TORCH_CHECK(
        own.dim() == 2 || (call.stacked && own.dim() == 3 && own.size(0) == call.networks), "points of shape ",
        own.sizes(), " for ", call.networks, " network(s)");
    TORCH_CHECK(
        own.size(-1) == call.dimension && own.scalar_type() == points[0].scalar_type(), "point sets of ",
        own.size(-1), " and ", call.dimension, " coordinates, ", own.scalar_type(), " and ", points[0].scalar_type());
    const size_t length = 2 * static_cast<size_t>(derivatives[s]);
    TORCH_CHECK(next + length <= orders.size(), orders.size() / 2, " derivatives, fewer than the point sets have");
    call.sets.push_back({own.contiguous(), jets_of(orders.slice(next, length)), own.size(-2)});
    next += length;
  }
  TORCH_CHECK(next == orders.size(), orders.size() / 2, " derivatives, more than the point sets have");
  return call;
}

// Layer by layer: where its parameters are, and their gradients if there are any.
struct Place {
  size_t weight, bias, slope;  // indices; 0 for a bias or slope that is not there, since index 0 is a weight
};

inline std::vector<Place> places(const Arguments& call) {
  std::vector<Place> found;
  size_t next = 0;
  for (size_t l = 0; l < call.layers(); ++l) {
    Place place{next++, 0, 0};
    if (call.codes[l * kLayerCodes + 1]) place.bias = next++;
    if (call.codes[l * kLayerCodes + 2]) place.slope = next++;
    found.push_back(place);
  }
  return found;
}

template <typename T>
const T* of_network(const Arguments& call, const Tensor& parameter, int64_t network) {
  return parameter.const_data_ptr<T>() + network * (parameter.numel() / call.networks);
}

// The network with its slopes folded in: slope·(Wx + b).
template <typename T>
std::vector<Layer<T>> fold(const Arguments& call, int64_t network) {
  std::vector<Layer<T>> layers;
  int64_t features = call.dimension;
  for (const Place& place : places(call)) {
    const Tensor& weight = call.parameters[place.weight];
    TORCH_CHECK(
        weight.dim() == (call.stacked ? 3 : 2) && weight.size(-1) == features && weight.numel() > 0 &&
            weight.numel() == call.networks * weight.size(-2) * weight.size(-1),
        "a weight of shape ", weight.sizes(), " after ", features, " features");
    Layer<T> layer;
    layer.inputs = features;
    layer.outputs = features = weight.size(-2);
    layer.activation = call.codes[layers.size() * kLayerCodes];
    const T* w = of_network<T>(call, weight, network);
    layer.by_output.assign(w, w + layer.outputs * layer.inputs);
    if (place.bias) {
      const Tensor& bias = call.parameters[place.bias];
      TORCH_CHECK(bias.numel() == call.networks * layer.outputs, "a bias of shape ", bias.sizes());
      const T* b = of_network<T>(call, bias, network);
      layer.bias.assign(b, b + layer.outputs);
    }
    if (place.slope) {
      const Tensor& slope = call.parameters[place.slope];
      const int64_t size = slope.numel() / call.networks;
      TORCH_CHECK(
          slope.numel() == call.networks * size && (size == 1 || size == layer.outputs), "a slope of shape ",
          slope.sizes(), " for ", layer.outputs, " features");
      const T* a = of_network<T>(call, slope, network);
      for (int64_t o = 0; o < layer.outputs; ++o) {
        const T factor = a[size == 1 ? 0 : o];
        for (int64_t i = 0; i < layer.inputs; ++i) layer.by_output[o * layer.inputs + i] *= factor;
        if (place.bias) layer.bias[o] *= factor;
      }
    }
    layer.by_input.resize(layer.by_output.size());
    for (int64_t o = 0; o < layer.outputs; ++o) {
      for (int64_t i = 0; i < layer.inputs; ++i) {
        layer.by_input[i * layer.outputs + o] = layer.by_output[o * layer.inputs + i];
      }
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

template <typename T>
std::vector<std::vector<Layer<T>>> fold_all(const Arguments& call) {
  std::vector<std::vector<Layer<T>>> networks;
  for (int64_t k = 0; k < call.networks; ++k) networks.push_back(fold<T>(call, k));
  return networks;
}

// From the gradients by slope·W and slope·b, one layer's after the other's, back to those by W, b and the slope.
template <typename T>
void unfold(
    const Arguments& call, int64_t network, const std::vector<Layer<T>>& layers, const T* by_weight,
    std::vector<Tensor>& gradients) {
  const auto found = places(call);
  for (size_t l = 0; l < found.size(); ++l) {
    const Layer<T>& layer = layers[l];
    const auto [weight, bias, slope] = found[l];
    const auto at = [&](size_t index, int64_t each) {
      return gradients[index].template mutable_data_ptr<T>() + network * each;
    };
    const T* by_bias = by_weight + layer.outputs * layer.inputs;
    const int64_t slopes = slope ? call.parameters[slope].numel() / call.networks : 0;
    if (slope) std::fill(at(slope, slopes), at(slope, slopes) + slopes, T(0));
    const T* w = of_network<T>(call, call.parameters[weight], network);
    for (int64_t o = 0; o < layer.outputs; ++o) {
      T factor(1), by_slope(0);
      if (slope) factor = of_network<T>(call, call.parameters[slope], network)[slopes == 1 ? 0 : o];
      T* to = at(weight, layer.outputs * layer.inputs) + o * layer.inputs;
      for (int64_t i = 0; i < layer.inputs; ++i) {
        to[i] = factor * by_weight[o * layer.inputs + i];
        by_slope += w[o * layer.inputs + i] * by_weight[o * layer.inputs + i];
      }
      if (bias) {
        at(bias, layer.outputs)[o] = factor * by_bias[o];
        by_slope += of_network<T>(call, call.parameters[bias], network)[o] * by_bias[o];
      }
      if (slope) at(slope, slopes)[slopes == 1 ? 0 : o] += by_slope;
    }
    by_weight = by_bias + layer.outputs;
  }
}

}  // namespace laaf
