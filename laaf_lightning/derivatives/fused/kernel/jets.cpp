// u and its partial derivatives up to order 2 of an MLP at many points, and the gradients by its parameters.
//
// Nothing is stored for a point: the backward pass runs the network again, chunk by chunk, all layers of a chunk in the
// caches. Chunks are dealt to the threads in fixed runs, and sums are added in a fixed order, so that the same number
// of threads gives the same bits.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>

#include "chunk.h"

namespace laaf {

using at::IntArrayRef;
using at::Tensor;
using at::TensorList;

constexpr int64_t kLayerCodes = 3;            // of a layer: its activation, has it a bias, has it a slope
constexpr int64_t kLaneSumBytes = 384 * 1024;  // of sums by lane, so that they stay in the second-level cache

// The tensors of one call, checked. A leading axis of the parameters holds several networks.
struct Arguments {
  Tensor points;
  std::vector<Tensor> parameters;
  IntArrayRef codes;
  Jets jets;
  bool stacked, points_stacked;
  int64_t networks, count, dimension;

  size_t layers() const { return codes.size() / kLayerCodes; }
};

Jets jets_of(IntArrayRef orders) {
  TORCH_CHECK(orders.size() % 2 == 0, "orders are pairs of columns, padded with -1");
  Jets jets;
  jets.count = 1 + static_cast<int64_t>(orders.size()) / 2;
  for (size_t k = 0; k < orders.size(); k += 2) {
    if (orders[k + 1] < 0) {
      TORCH_CHECK(jets.pairs.empty(), "orders of one column come first");
      jets.columns.push_back(orders[k]);
      continue;
    }
    std::array<int64_t, 2> pair{};
    for (size_t side = 0; side < 2; ++side) {
      const auto found = std::find(jets.columns.begin(), jets.columns.end(), orders[k + side]);
      TORCH_CHECK(found != jets.columns.end(), "a second derivative needs its first ones");
      pair[side] = found - jets.columns.begin();
    }
    jets.pairs.push_back(pair);
  }
  TORCH_CHECK(jets.firsts() <= kMostFirsts, "up to ", kMostFirsts, " coordinates are differentiated by");
  return jets;
}

Arguments checked(const Tensor& points, TensorList parameters, IntArrayRef codes, IntArrayRef orders) {
  TORCH_CHECK(!codes.empty() && codes.size() % kLayerCodes == 0, "three codes for each layer");
  Arguments call;
  call.codes = codes;
  call.jets = jets_of(orders);
  call.points = points.contiguous();
  size_t expected = 0;
  for (size_t l = 0; l < codes.size(); l += kLayerCodes) {
    TORCH_CHECK(codes[l] < kActivations, "unknown activation ", codes[l]);
    TORCH_CHECK((codes[l] < 0) == (l + kLayerCodes == codes.size()), "the last layer alone has no activation");
    expected += 1 + codes[l + 1] + codes[l + 2];
  }
  TORCH_CHECK(parameters.size() == expected, parameters.size(), " parameters where ", expected, " belong");
  for (const Tensor& parameter : parameters) {
    TORCH_CHECK(
        parameter.scalar_type() == points.scalar_type() && parameter.device().is_cpu(), "parameters are ",
        parameter.scalar_type(), " on ", parameter.device(), ", points are ", points.scalar_type(), " on the CPU");
    call.parameters.push_back(parameter.contiguous());
  }
  call.stacked = parameters[0].dim() == 3;
  call.networks = call.stacked ? parameters[0].size(0) : 1;
  call.points_stacked = points.dim() == 3;
  TORCH_CHECK(
      points.dim() == 2 || (call.stacked && points.dim() == 3 && points.size(0) == call.networks),
      "points of shape ", points.sizes(), " for ", call.networks, " network(s)");
  call.count = points.size(-2);
  call.dimension = points.size(-1);
  return call;
}

// Layer by layer: where its parameters are, and their gradients if there are any.
struct Place {
  size_t weight, bias, slope;  // indices; 0 for a bias or slope that is not there, since index 0 is a weight
};

std::vector<Place> places(const Arguments& call) {
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

// Deals the chunks of all networks to threads: apply(thread, network, first chunk, chunks).
template <typename T, typename Do>
int64_t deal(const Arguments& call, const Do& apply, int64_t threads) {
  const int64_t chunks = (call.count + kPoints<T> - 1) / kPoints<T>, items = chunks * call.networks;
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; ++thread) {
      int64_t item = items * thread / threads;
      const int64_t last = items * (thread + 1) / threads;
      while (item < last) {
        const int64_t network = item / chunks, stop = std::min(last, (network + 1) * chunks);
        apply(thread, network, item - network * chunks, stop - network * chunks);
        item = stop;
      }
    }
  });
  return threads;
}

template <typename T>
int64_t threads_for(const Arguments& call) {
  const int64_t items = (call.count + kPoints<T> - 1) / kPoints<T> * call.networks;
  return std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), items / 2));
}

template <typename T>
std::vector<std::vector<Layer<T>>> fold_all(const Arguments& call) {
  std::vector<std::vector<Layer<T>>> networks;
  for (int64_t k = 0; k < call.networks; ++k) networks.push_back(fold<T>(call, k));
  return networks;
}

template <typename T>
const T* points_of(const Arguments& call, int64_t network, int64_t chunk) {
  const int64_t first = (call.points_stacked ? network * call.count : 0) + chunk * kPoints<T>;
  return call.points.const_data_ptr<T>() + first * call.dimension;
}

template <typename T>
Tensor run_forward(const Arguments& call) {
  const auto networks = fold_all<T>(call);
  const int64_t outputs = networks[0].back().outputs, rows = call.jets.count;
  Tensor result = call.stacked ? at::empty({rows, call.networks, outputs, call.count}, call.points.options())
                               : at::empty({rows, outputs, call.count}, call.points.options());
  T* to = result.mutable_data_ptr<T>();
  deal<T>(call, [&](int64_t, int64_t network, int64_t begin, int64_t end) {
    const auto& layers = networks[network];
    Chunk<T> work(layers, call.jets, false);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * kPoints<T>, count = std::min(kPoints<T>, call.count - first);
      const T* u = work.forward(layers, points_of<T>(call, network, chunk), call.dimension, count);
      for (int64_t j = 0; j < rows; ++j) {
        for (int64_t o = 0; o < outputs; ++o) {
          const T* from = u + (o * rows + j) * kPoints<T>;
          std::copy(from, from + count, to + ((j * call.networks + network) * outputs + o) * call.count + first);
        }
      }
    }
  }, threads_for<T>(call));
  return result;
}

// The sums of one thread for one network, over its chunks.
template <typename T>
struct Sums {
  std::vector<Array<T>> values;
  std::vector<char> vectors;

  explicit Sums(const std::vector<Layer<T>>& layers) {
    int64_t bytes = 0;
    for (const auto& layer : layers) {
      const int64_t size = layer.outputs * (layer.inputs + 1);
      bytes += size * lanes<T> * static_cast<int64_t>(sizeof(T));
      vectors.push_back(bytes <= kLaneSumBytes);
      values.emplace_back(size * (vectors.back() ? lanes<T> : 1), T(0));
    }
  }

  void clear() {
    for (auto& value : values) std::fill(value.begin(), value.end(), T(0));
  }

  // Adds up lanes; the first entries are then the sums.
  void reduce() {
    for (size_t l = 0; l < values.size(); ++l) {
      if (!vectors[l]) continue;
      const int64_t size = static_cast<int64_t>(values[l].size()) / lanes<T>;
      for (int64_t k = 0; k < size; ++k) values[l][k] = total(Vectorized<T>::loadu(&values[l][k * lanes<T>]));
    }
  }
};

template <typename T>
std::vector<Tensor> run_backward(const Arguments& call, const Tensor& gradient) {
  const auto networks = fold_all<T>(call);
  const int64_t outputs = networks[0].back().outputs, rows = call.jets.count, threads = threads_for<T>(call);
  const Tensor from = gradient.contiguous();
  const T* g = from.const_data_ptr<T>();
  int64_t size = 0;
  for (const auto& layer : networks[0]) size += layer.outputs * (layer.inputs + 1);
  // Threads and networks both only go forwards, so that thread + network tells apart all that occur together.
  std::vector<T> partial((threads + call.networks - 1) * size, T(0));
  deal<T>(call, [&](int64_t thread, int64_t network, int64_t begin, int64_t end) {
    const auto& layers = networks[network];
    Chunk<T> work(layers, call.jets, true);
    Sums<T> sums(layers);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * kPoints<T>, count = std::min(kPoints<T>, call.count - first);
      work.forward(layers, points_of<T>(call, network, chunk), call.dimension, count);
      T* by_output = work.output_gradient();
      for (int64_t o = 0; o < outputs; ++o) {
        for (int64_t j = 0; j < rows; ++j, by_output += kPoints<T>) {
          const T* row = g + ((j * call.networks + network) * outputs + o) * call.count + first;
          std::fill(std::copy(row, row + count, by_output), by_output + kPoints<T>, T(0));
        }
      }
      work.backward(layers, sums.values, sums.vectors);
    }
    sums.reduce();
    T* to = partial.data() + (thread + network) * size;
    for (size_t l = 0; l < layers.size(); ++l) {
      const int64_t of_layer = layers[l].outputs * (layers[l].inputs + 1);
      to = std::copy(sums.values[l].begin(), sums.values[l].begin() + of_layer, to);
    }
  }, threads);

  std::vector<Tensor> gradients;
  for (const Tensor& parameter : call.parameters) gradients.push_back(at::empty_like(parameter));
  const int64_t chunks = (call.count + kPoints<T> - 1) / kPoints<T>, items = chunks * call.networks;
  for (int64_t network = 0; network < call.networks; ++network) {
    std::vector<T> sum(size, T(0));
    for (int64_t thread = 0; thread < threads; ++thread) {
      const int64_t first = items * thread / threads, last = items * (thread + 1) / threads;
      if (last <= network * chunks || first >= (network + 1) * chunks) continue;
      const T* part = partial.data() + (thread + network) * size;
      for (int64_t k = 0; k < size; ++k) sum[k] += part[k];
    }
    // From slope·W and slope·b back to W, b and slope.
    const T* by_weight = sum.data();
    const auto found = places(call);
    for (size_t l = 0; l < found.size(); ++l) {
      const Layer<T>& layer = networks[network][l];
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
        for (int64_t i = 0; i < layer.inputs; ++i) {
          const int64_t k = o * layer.inputs + i;
          at(weight, layer.outputs * layer.inputs)[k] = factor * by_weight[k];
          by_slope += w[k] * by_weight[k];
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
  return gradients;
}

Tensor jets(const Tensor& points, TensorList parameters, IntArrayRef codes, IntArrayRef orders) {
  const Arguments call = checked(points, parameters, codes, orders);
  if (points.scalar_type() == at::kDouble) return run_forward<double>(call);
  TORCH_CHECK(points.scalar_type() == at::kFloat, "float32 or float64, not ", points.scalar_type());
  return run_forward<float>(call);
}

std::vector<Tensor> jets_backward(
    const Tensor& gradient, const Tensor& points, TensorList parameters, IntArrayRef codes, IntArrayRef orders) {
  const Arguments call = checked(points, parameters, codes, orders);
  if (points.scalar_type() == at::kDouble) return run_backward<double>(call, gradient);
  return run_backward<float>(call, gradient);
}

TORCH_LIBRARY(laaf_lightning, library) {
  library.def("jets(Tensor points, Tensor[] parameters, int[] codes, int[] orders) -> Tensor");
  library.def(
      "jets_backward(Tensor gradient, Tensor points, Tensor[] parameters, int[] codes, int[] orders) -> Tensor[]");
}

TORCH_LIBRARY_IMPL(laaf_lightning, CPU, library) {
  library.impl("jets", jets);
  library.impl("jets_backward", jets_backward);
}

}  // namespace laaf
