// The operators' gradients, for torch's autograd.

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <utility>
#include <vector>

namespace laaf {
namespace {

using at::IntArrayRef;
using at::Tensor;
using at::TensorList;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What a call is told beside its tensors.
struct Settings {
  std::vector<int64_t> codes, orders, derivatives;
};

// Through torch's dispatcher, so that torch.compile sees the calls.
std::vector<Tensor> call_jets(TensorList points, TensorList parameters, const Settings& settings) {
  using Signature = std::vector<Tensor>(TensorList, TensorList, IntArrayRef, IntArrayRef, IntArrayRef);
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("laaf_lightning::jets", "").typed<Signature>();
  at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(points, parameters, settings.codes, settings.orders, settings.derivatives);
}

std::vector<Tensor> call_backward(
    TensorList gradients, TensorList points, TensorList parameters, const Settings& settings) {
  using Signature = std::vector<Tensor>(TensorList, TensorList, TensorList, IntArrayRef, IntArrayRef, IntArrayRef);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("laaf_lightning::jets_backward", "").typed<Signature>();
  at::AutoDispatchBelowADInplaceOrView guard;
  return op.call(gradients, points, parameters, settings.codes, settings.orders, settings.derivatives);
}

// The gradients by the parameters, which have none of their own.
struct GradientsFunction : torch::autograd::Function<GradientsFunction> {
  static variable_list forward(
      AutogradContext*, TensorList gradients, TensorList points, TensorList parameters, const Settings& settings) {
    return call_backward(gradients, points, parameters, settings);
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(
        false, "gradients taken through the fused kernel cannot be differentiated again: take engine='taylor'");
  }
};

struct JetsFunction : torch::autograd::Function<JetsFunction> {
  static variable_list forward(
      AutogradContext* context, TensorList points, TensorList parameters, const Settings& settings) {
    variable_list saved(points.begin(), points.end());
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    context->save_for_backward(std::move(saved));
    context->saved_data["codes"] = settings.codes;
    context->saved_data["orders"] = settings.orders;
    context->saved_data["derivatives"] = settings.derivatives;
    return call_jets(points, parameters, settings);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    auto& data = context->saved_data;
    const Settings settings{
        data["codes"].toIntVector(), data["orders"].toIntVector(), data["derivatives"].toIntVector()};
    const variable_list saved = context->get_saved_variables();
    const TensorList all(saved);
    const size_t sets = settings.derivatives.size();
    variable_list found = GradientsFunction::apply(TensorList(gradients), all.slice(0, sets), all.slice(sets), settings);
    found.insert(found.begin(), sets, Tensor());  // none by the points,
    found.emplace_back();                         // none by the settings
    return found;
  }
};

std::vector<Tensor> jets(
    TensorList points, TensorList parameters, IntArrayRef codes, IntArrayRef orders, IntArrayRef derivatives) {
  return JetsFunction::apply(points, parameters, Settings{codes.vec(), orders.vec(), derivatives.vec()});
}

std::vector<Tensor> jets_backward(
    TensorList gradients, TensorList points, TensorList parameters, IntArrayRef codes, IntArrayRef orders,
    IntArrayRef derivatives) {
  const Settings settings{codes.vec(), orders.vec(), derivatives.vec()};
  return GradientsFunction::apply(gradients, points, parameters, settings);
}

TORCH_LIBRARY_IMPL(laaf_lightning, Autograd, library) {
  library.impl("jets", jets);
  library.impl("jets_backward", jets_backward);
}

}  // namespace
}  // namespace laaf
