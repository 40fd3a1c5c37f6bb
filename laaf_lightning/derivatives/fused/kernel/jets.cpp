// u and its partial derivatives up to order 2 of an MLP at many points, and the gradients by its parameters.
//
// All layers of a chunk of points are computed while it is in the caches. Nothing is kept of it: the pass backwards
// computes it again, which is as fast as to keep it in memory. Chunks are dealt to the threads in fixed runs, and sums
// are added in a fixed order, so that the same number of threads gives the same bits.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "network.h"

namespace laaf {
namespace {

constexpr int64_t kLaneSumBytes = 384 * 1024;  // of sums by lane, so that they stay in the second-level cache

template <typename T>
int64_t chunks_of(const Arguments& call) {
  return (call.count + kPoints<T> - 1) / kPoints<T>;
}

template <typename T>
int64_t threads_for(const Arguments& call) {
  return std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), chunks_of<T>(call) * call.networks / 2));
}

// The chunks of all networks that belong to a thread: apply(network, first chunk, chunk after the last).
template <typename T, typename Do>
void of_thread(const Arguments& call, int64_t thread, int64_t threads, const Do& apply) {
  const int64_t chunks = chunks_of<T>(call), items = chunks * call.networks;
  const int64_t last = items * (thread + 1) / threads;
  for (int64_t item = items * thread / threads; item < last;) {
    const int64_t network = item / chunks, stop = std::min(last, (network + 1) * chunks);
    apply(network, item - network * chunks, stop - network * chunks);
    item = stop;
  }
}

template <typename Do>
void in_parallel(int64_t threads, const Do& apply) {
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; ++thread) apply(thread);
  });
}

template <typename T>
const T* points_of(const Arguments& call, int64_t network, int64_t chunk) {
  const int64_t first = (call.points_stacked ? network * call.count : 0) + chunk * kPoints<T>;
  return call.points.const_data_ptr<T>() + first * call.dimension;
}

template <typename T>
Tensor run_forward(const Arguments& call) {
  const auto networks = fold_all<T>(call);
  const int64_t outputs = networks[0].back().outputs, rows = call.jets.count(), threads = threads_for<T>(call);
  Tensor result = call.stacked ? at::empty({rows, call.networks, outputs, call.count}, call.points.options())
                               : at::empty({rows, outputs, call.count}, call.points.options());
  T* to = result.mutable_data_ptr<T>();
  in_parallel(threads, [&](int64_t thread) {
    of_thread<T>(call, thread, threads, [&](int64_t network, int64_t begin, int64_t end) {
      Chunk<T> work(networks[network], call.jets, false);
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t first = chunk * kPoints<T>, count = std::min(kPoints<T>, call.count - first);
        const T* u = work.forward(points_of<T>(call, network, chunk), call.dimension, count);
        for (int64_t j = 0; j < rows; ++j) {
          for (int64_t o = 0; o < outputs; ++o) {
            const T* from = u + o * stride_of<T>(rows) + j * kPoints<T>;
            std::copy(from, from + count, to + ((j * call.networks + network) * outputs + o) * call.count + first);
          }
        }
      }
    });
  });
  return result;
}

// The sums of one thread for one network, over its chunks.
template <typename T>
struct Sums {
  std::vector<Array<T>> values;
  std::vector<bool> by_lane;

  explicit Sums(const std::vector<Layer<T>>& layers) {
    int64_t bytes = 0;
    for (const auto& layer : layers) {
      const int64_t size = layer.outputs * (layer.inputs + 1);
      bytes += size * lanes<T> * static_cast<int64_t>(sizeof(T));
      by_lane.push_back(bytes <= kLaneSumBytes);
      values.emplace_back(size * (by_lane.back() ? lanes<T> : 1), T(0));
    }
  }

  void write(T* to) const {
    for (size_t l = 0; l < values.size(); ++l) {
      const int64_t each = by_lane[l] ? lanes<T> : 1, size = static_cast<int64_t>(values[l].size()) / each;
      for (int64_t k = 0; k < size; ++k) {
        *to++ = each == 1 ? values[l][k] : total(Vectorized<T>::loadu(&values[l][k * each]));
      }
    }
  }
};

template <typename T>
std::vector<Tensor> run_backward(const Arguments& call, const Tensor& gradient) {
  const auto networks = fold_all<T>(call);
  const int64_t outputs = networks[0].back().outputs, rows = call.jets.count(), threads = threads_for<T>(call);
  const Tensor from = gradient.contiguous();
  const T* g = from.const_data_ptr<T>();
  int64_t size = 0;
  for (const auto& layer : networks[0]) size += layer.outputs * (layer.inputs + 1);
  // Threads and networks both only go forwards, so that thread + network tells apart all that occur together.
  std::vector<T> partial((threads + call.networks - 1) * size, T(0));
  in_parallel(threads, [&](int64_t thread) {
    of_thread<T>(call, thread, threads, [&](int64_t network, int64_t begin, int64_t end) {
      Chunk<T> work(networks[network], call.jets, true);
      Sums<T> sums(networks[network]);
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t first = chunk * kPoints<T>, count = std::min(kPoints<T>, call.count - first);
        work.forward(points_of<T>(call, network, chunk), call.dimension, count);
        for (int64_t o = 0; o < outputs; ++o) {
          T* by_output = work.output_gradient() + o * stride_of<T>(rows);
          for (int64_t j = 0; j < rows; ++j, by_output += kPoints<T>) {
            const T* row = g + ((j * call.networks + network) * outputs + o) * call.count + first;
            std::fill(std::copy(row, row + count, by_output), by_output + kPoints<T>, T(0));
          }
        }
        work.backward(sums.values, sums.by_lane);
      }
      sums.write(partial.data() + (thread + network) * size);
    });
  });
  std::vector<T> sum(call.networks * size, T(0));
  for (int64_t thread = 0; thread < threads; ++thread) {
    of_thread<T>(call, thread, threads, [&](int64_t network, int64_t, int64_t) {
      const T* part = partial.data() + (thread + network) * size;
      for (int64_t k = 0; k < size; ++k) sum[network * size + k] += part[k];
    });
  }
  std::vector<Tensor> gradients;
  for (const Tensor& parameter : call.parameters) gradients.push_back(at::empty_like(parameter));
  for (int64_t network = 0; network < call.networks; ++network) {
    unfold(call, network, networks[network], sum.data() + network * size, gradients);
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

}  // namespace
}  // namespace laaf
