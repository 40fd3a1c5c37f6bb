// u and its partial derivatives up to order 2 of an MLP at many points, and the gradients by its parameters.
//
// All layers of a chunk of points are computed while it is in the caches. Nothing is kept of it: the pass backwards
// computes it again, which is as fast as to keep it in memory. Chunks are dealt to the threads in fixed runs, and sums
// are added in a fixed order, so that the same number of threads gives the same bits.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "schedule.h"

namespace laaf {
namespace {

constexpr int64_t kLaneSumBytes = 384 * 1024;  // of sums by lane, so that they stay in the second-level cache

template <typename T>
const T* points_of(const PointSet& set, int64_t network, int64_t first) {
  const int64_t skipped = (set.points.dim() == 3 ? network * set.count : 0) + first;
  return set.points.const_data_ptr<T>() + skipped * set.points.size(-1);
}

// The jets of all sets one after the other, each (C, N), or (K, C, N) for several networks, seen as (N, C).
template <typename T>
std::vector<Tensor> run_forward(const Arguments& call) {
  const auto networks = fold_all<T>(call);
  const int64_t outputs = networks[0].back().outputs;
  std::vector<Tensor> results;
  std::vector<std::vector<T*>> to;
  for (const PointSet& set : call.sets) {
    to.emplace_back();
    for (int64_t j = 0; j < set.jets.count(); ++j) {
      const auto& options = set.points.options();
      results.push_back(
          call.stacked ? at::empty({call.networks, outputs, set.count}, options)
                       : at::empty({outputs, set.count}, options));
      to.back().push_back(results.back().template mutable_data_ptr<T>());
      results.back() = results.back().transpose(-1, -2);
    }
  }
  const Schedule<T> schedule(call);
  in_parallel(schedule.threads(), [&](int64_t thread) {
    schedule.of_thread(thread, [&](int64_t network, int64_t begin, int64_t end) {
      schedule.of_sets(begin, end, [&](size_t s, int64_t first, int64_t last) {
        const PointSet& set = call.sets[s];
        const int64_t rows = set.jets.count();
        Chunk<T> work(networks[network], set.jets, false);
        for (; first < last; first += kPoints<T>) {
          const int64_t count = std::min(kPoints<T>, last - first);
          const T* u = work.forward(points_of<T>(set, network, first), call.dimension, count);
          for (int64_t o = 0; o < outputs; ++o, u += stride_of<T>(rows)) {
            for (int64_t j = 0; j < rows; ++j) {
              const T* from = u + j * kPoints<T>;
              std::copy(from, from + count, to[s][j] + (network * outputs + o) * set.count + first);
            }
          }
        }
      });
    });
  });
  return results;
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
std::vector<Tensor> run_backward(const Arguments& call, TensorList gradients) {
  const auto networks = fold_all<T>(call);
  const int64_t outputs = networks[0].back().outputs;
  std::vector<Tensor> held;
  std::vector<std::vector<const T*>> given;
  for (const PointSet& set : call.sets) {
    given.emplace_back();
    for (int64_t j = 0; j < set.jets.count(); ++j) {
      TORCH_CHECK(held.size() < gradients.size(), gradients.size(), " gradients, fewer than there are jets");
      held.push_back(gradients[held.size()].transpose(-1, -2).contiguous());
      TORCH_CHECK(
          held.back().numel() == call.networks * outputs * set.count, "a gradient of shape ", held.back().sizes());
      given.back().push_back(held.back().template const_data_ptr<T>());
    }
  }
  int64_t size = 0;
  for (const auto& layer : networks[0]) size += layer.outputs * (layer.inputs + 1);
  const Schedule<T> schedule(call);
  const int64_t threads = schedule.threads();
  // Threads and networks both only go forwards, so that thread + network tells apart all that occur together.
  std::vector<T> partial((threads + call.networks - 1) * size, T(0));
  in_parallel(threads, [&](int64_t thread) {
    schedule.of_thread(thread, [&](int64_t network, int64_t begin, int64_t end) {
      Sums<T> sums(networks[network]);
      schedule.of_sets(begin, end, [&](size_t s, int64_t first, int64_t last) {
        const PointSet& set = call.sets[s];
        const int64_t rows = set.jets.count();
        Chunk<T> work(networks[network], set.jets, true);
        for (; first < last; first += kPoints<T>) {
          const int64_t count = std::min(kPoints<T>, last - first);
          work.forward(points_of<T>(set, network, first), call.dimension, count);
          for (int64_t o = 0; o < outputs; ++o) {
            T* by_output = work.output_gradient() + o * stride_of<T>(rows);
            for (int64_t j = 0; j < rows; ++j, by_output += kPoints<T>) {
              const T* row = given[s][j] + (network * outputs + o) * set.count + first;
              std::fill(std::copy(row, row + count, by_output), by_output + kPoints<T>, T(0));
            }
          }
          work.backward(sums.values, sums.by_lane);
        }
      });
      sums.write(partial.data() + (thread + network) * size);
    });
  });
  std::vector<T> sum(call.networks * size, T(0));
  for (int64_t thread = 0; thread < threads; ++thread) {
    schedule.of_thread(thread, [&](int64_t network, int64_t, int64_t) {
      const T* part = partial.data() + (thread + network) * size;
      for (int64_t k = 0; k < size; ++k) sum[network * size + k] += part[k];
    });
  }
  std::vector<Tensor> found;
  for (const Tensor& parameter : call.parameters) found.push_back(at::empty_like(parameter));
  for (int64_t network = 0; network < call.networks; ++network) {
    unfold(call, network, networks[network], sum.data() + network * size, found);
  }
  return found;
}

std::vector<Tensor> jets(
    TensorList points, TensorList parameters, IntArrayRef codes, IntArrayRef orders, IntArrayRef derivatives) {
  const Arguments call = checked(points, parameters, codes, orders, derivatives);
  if (points[0].scalar_type() == at::kDouble) return run_forward<double>(call);
  TORCH_CHECK(points[0].scalar_type() == at::kFloat, "float32 or float64, not ", points[0].scalar_type());
  return run_forward<float>(call);
}

std::vector<Tensor> jets_backward(
    TensorList gradients, TensorList points, TensorList parameters, IntArrayRef codes, IntArrayRef orders,
    IntArrayRef derivatives) {
  const Arguments call = checked(points, parameters, codes, orders, derivatives);
  if (points[0].scalar_type() == at::kDouble) return run_backward<double>(call, gradients);
  return run_backward<float>(call, gradients);
}

TORCH_LIBRARY(laaf_lightning, library) {
  library.def("jets(Tensor[] points, Tensor[] parameters, int[] codes, int[] orders, int[] derivatives) -> Tensor[]");
  library.def(
      "jets_backward(Tensor[] gradients, Tensor[] points, Tensor[] parameters, int[] codes, int[] orders, "
      "int[] derivatives) -> Tensor[]");
}

TORCH_LIBRARY_IMPL(laaf_lightning, CPU, library) {
  library.impl("jets", jets);
  library.impl("jets_backward", jets_backward);
}

}  // namespace
}  // namespace laaf
