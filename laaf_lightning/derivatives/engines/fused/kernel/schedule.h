// Which thread does what.

#pragma once

#include <ATen/Parallel.h>

#include <algorithm>

#include "network.h"

namespace laaf {

template <typename T>
int64_t chunks_of(const PointSet& set) {
  return (set.count + kPoints<T> - 1) / kPoints<T>;
}

// The chunks of all networks and point sets, dealt to threads in runs of about the same work. A network's chunks
// follow each other, one set's after the other's.
template <typename T>
class Schedule {
 public:
  explicit Schedule(const Arguments& call) : call_(call) {
    for (const PointSet& set : call.sets) {
      chunks_ += chunks_of<T>(set);
      work_ += chunks_of<T>(set) * set.jets.count();
    }
    threads_ = std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), chunks_ * call.networks / 2));
  }

  int64_t threads() const { return threads_; }

  // For every network of which a thread has chunks: apply(network, first chunk, chunk after the last).
  template <typename Do>
  void of_thread(int64_t thread, const Do& apply) const {
    const int64_t last = item_at(thread + 1);
    for (int64_t item = item_at(thread); item < last;) {
      const int64_t network = item / chunks_, stop = std::min(last, (network + 1) * chunks_);
      apply(network, item - network * chunks_, stop - network * chunks_);
      item = stop;
    }
  }

  // For every set of which some of a network's chunks are: apply(set, first point, point after the last).
  template <typename Do>
  void of_sets(int64_t begin, int64_t end, const Do& apply) const {
    for (size_t s = 0; s < call_.sets.size(); ++s) {
      const int64_t count = call_.sets[s].count, chunks = chunks_of<T>(call_.sets[s]);
      const int64_t from = std::max<int64_t>(begin, 0), to = std::min(end, chunks);
      if (from < to) apply(s, from * kPoints<T>, std::min(to * kPoints<T>, count));
      begin -= chunks, end -= chunks;
    }
  }

 private:
  // Where a thread's run begins: after its share of the work before it.
  int64_t item_at(int64_t thread) const {
    const int64_t work = work_ * call_.networks * thread / threads_;
    if (work_ == 0) return 0;
    int64_t item = work / work_ * chunks_, rest = work % work_;
    for (const PointSet& set : call_.sets) {
      const int64_t each = set.jets.count(), chunks = std::min(chunks_of<T>(set), rest / each);
      item += chunks;
      rest -= chunks * each;
      if (chunks < chunks_of<T>(set)) break;
    }
    return item;
  }

  const Arguments& call_;
  int64_t chunks_ = 0, work_ = 0, threads_ = 1;
};

template <typename Do>
void in_parallel(int64_t threads, const Do& apply) {
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread < end; ++thread) apply(thread);
  });
}

}  // namespace laaf
