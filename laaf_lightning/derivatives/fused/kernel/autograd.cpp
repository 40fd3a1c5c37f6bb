// The operators' gradients, for torch's autograd.

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

namespace laaf {
namespace {

using at::IntArrayRef;
using at::Tensor;
using at::TensorList;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Through torch's dispatcher, so that torch.compile sees the calls.
Tensor call_jets(const Tensor& points, TensorList parameters, IntArrayRef codes, IntArrayRef orders) {
  using Signature = Tensor(const Tensor&, TensorList, IntArrayRef, IntArrayRef);
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("laaf_lightning::jets", "").typed<Signature>();
  at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(points, parameters, codes, orders);
}

std::vector<Tensor> call_backward(
    const Tensor& gradient, const Tensor& points, TensorList parameters, IntArrayRef codes, IntArrayRef orders) {
  using Signature = std::vector<Tensor>(const Tensor&, const Tensor&, TensorList, IntArrayRef, IntArrayRef);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("laaf_lightning::jets_backward", "").typed<Signature>();
  at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(gradient, points, parameters, codes, orders);
}

// The gradients by the parameters, which have none of their own.
struct GradientsFunction : torch::autograd::Function<GradientsFunction> {
  static variable_list forward(
      AutogradContext*, const Tensor& gradient, const Tensor& points, TensorList parameters,
      const std::vector<int64_t>& codes, const std::vector<int64_t>& orders) {
    return call_backward(gradient, points, parameters, codes, orders);
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(
        false, "gradients taken through the fused kernel cannot be differentiated again: take engine='taylor'");
  }
};

struct JetsFunction : torch::autograd::Function<JetsFunction> {
  static Tensor forward(
      AutogradContext* context, const Tensor& points, TensorList parameters, const std::vector<int64_t>& codes,
      const std::vector<int64_t>& orders) {
    variable_list saved{points};
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    context->save_for_backward(saved);
    context->saved_data["codes"] = codes;
    context->saved_data["orders"] = orders;
    return call_jets(points, parameters, codes, orders);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const variable_list parameters(saved.begin() + 1, saved.end());
    variable_list found = GradientsFunction::apply(
        gradients[0], saved[0], TensorList(parameters), context->saved_data["codes"].toIntVector(),
        context->saved_data["orders"].toIntVector());
    found.insert(found.begin(), Tensor());            // none by the points,
    found.insert(found.end(), {Tensor(), Tensor()});  // codes and orders
    return found;
  }
};

Tensor jets(const Tensor& points, TensorList parameters, IntArrayRef codes, IntArrayRef orders) {
  return JetsFunction::apply(points, parameters, codes.vec(), orders.vec());
}

std::vector<Tensor> jets_backward(
    const Tensor& gradient, const Tensor& points, TensorList parameters, IntArrayRef codes, IntArrayRef orders) {
  return GradientsFunction::apply(gradient, points, parameters, codes.vec(), orders.vec());
}

TORCH_LIBRARY_IMPL(laaf_lightning, Autograd, library) {
  library.impl("jets", jets);
  library.impl("jets_backward", jets_backward);
}

}  // namespace
}  // namespace laaf
