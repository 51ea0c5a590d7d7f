// SPDX-License-Identifier: MIT
#pragma once

#include "call/Job.h"
#include "call/Memory.h"
#include "neml2/aoti/Model.h"

#include <string>
#include <vector>

namespace neml2::aoti
{

/// A variable or parameter as calls see it.
struct Slot
{
  std::string name;
  Range range;
  std::vector<std::int64_t> trailing; ///< axes behind the batch axes

  explicit Slot(const VariableInfo & info)
      : name(info.name), range(info.range), trailing(info.trailing_shape())
  {
  }
};

/// Values of the parameters that live in the state, in the order of their slots. Once published they are
/// never changed: whoever sets one publishes others.
using ParameterValues = std::vector<at::Tensor>;

/// The names of a model, resolved to places in its state.
struct Signature
{
  std::vector<Slot> inputs, outputs;
  std::vector<Slot> parameters; ///< those that live in the state
  std::vector<char> promoted;   ///< by parameter: whether callers know it
  c10::ScalarType dtype = c10::ScalarType::Double;
  c10::Device device = c10::kCPU;
  bool anywhere = false; ///< whether inputs may be on any device; all of them then are on that of the first
};

/// Collects and checks the arguments of one call. A promoted parameter among the inputs has that value for
/// this call.
class Call
{
public:
  Call(const Signature & signature, const ValueMap & inputs,
       std::shared_ptr<const ParameterValues> parameters);

  /// Adds the tangents: `wanted[i]` tells whether input or parameter i (parameters come after the inputs) can
  /// have one.
  void add_tangents(const ValueMap & tangents, const std::vector<char> & wanted);

  /// Adds the cotangents of outputs; `wanted[i]` tells whether output i can have one.
  void add_cotangents(const ValueMap & cotangents, const std::vector<char> & wanted);

  /// Fills the sources and tangents of the job with everything added so far, broadcast. Arrays of any strides
  /// are left as they are where the batch has at most `strided_axes` axes, and these are not 0.
  void bind(std::size_t strided_axes);

  const Shape & batch() const { return _batch; }

  /// Points of the batch. Throws FatalError where they cannot be counted.
  std::int64_t points() const;

  /// Where its tensors are.
  c10::Device device() const { return _device; }

  /// An argument and what it stands for.
  struct Given
  {
    const Slot * slot;
    const at::Tensor * tensor;
    const char * kind;
  };

  /// Inputs, then parameters.
  at::ArrayRef<Given> given() const { return _given; }

  /// Whether input or parameter i has batch axes.
  bool batched(std::size_t i) const
  {
    return _given[i].tensor->dim() > std::int64_t(_given[i].slot->trailing.size());
  }

  /// Batch axes of input or parameter i as it was given.
  Shape batch_of(std::size_t i) const
  {
    const auto sizes = _given[i].tensor->sizes();
    return Shape(sizes.begin(), sizes.end() - static_cast<std::ptrdiff_t>(_given[i].slot->trailing.size()));
  }

  /// Where the tangent of input or parameter i, or the cotangent of output i, is in the tangent array; -1
  /// where there is none.
  std::int64_t tangent_place(std::size_t i) const
  {
    return _tangent_places.empty() ? -1 : _tangent_places[i];
  }

  /// A fresh tensor (*batch, *trailing), or (*trailing) where it is not batched.
  at::Tensor make(at::IntArrayRef trailing, bool is_batched) const;

  /// Checks a tensor that the caller owns, (*batch, *trailing) or, where it needs no batch axes, (*trailing).
  /// It and `what` outlive the call. Returns the one to write to: itself, or a temporary where it overlaps
  /// something that is read, which is to change only if the call succeeds, or its rows cannot be written.
  at::Tensor own(const at::Tensor & tensor, const Label & what, at::IntArrayRef trailing, bool needs_batch);

  /// A fresh tensor for the cotangent of input or parameter i, of its shape.
  at::Tensor make_cotangent(std::size_t i) const { return empty(_given[i].tensor->sizes()); }

  /// The same, owned by the caller; see own().
  at::Tensor own_cotangent(const at::Tensor & tensor, const Label & what, std::size_t i);

  /// Lets the run write the cotangent of input or parameter i, summed over the points that share a value of
  /// it.
  void add_cotangent_sink(const at::Tensor & tensor, std::size_t i);

  /// Tells autograd that the caller's tensors change.
  void announce() const;

  /// Copies temporaries to where they belong.
  void finish() const;

  /// Lets the run write a result of `count` components a point to a tensor of make() or own().
  void add_sink(const at::Tensor & tensor, std::size_t trailing_axes, bool is_batched, Result result,
                std::int64_t count);

  Job job;

private:
  void choose_device(const ValueMap & inputs);
  at::Tensor empty(at::IntArrayRef shape) const;
  void broadcast(const Given & given);
  void add_directions(const ValueMap & directions, const char * kind, at::ArrayRef<const Slot *> slots);
  const at::Tensor * replaced(const ValueMap & inputs, std::size_t parameter) const;
  Region claim(const at::Tensor & tensor, const Label & what);
  at::Tensor placed(const at::Tensor & tensor, const Region & region, bool rows_fit);
  [[noreturn]] void fail_to_broadcast() const;
  [[noreturn]] void fail_names(const ValueMap & inputs) const;

  /// Whether a tensor overlaps one that the call reads.
  bool overlaps_source(const Region & region);

  /// A tensor of the call as the engine sees it.
  Argument rows(const at::Tensor & tensor, std::size_t trailing, std::int64_t components) const;

  const Signature & _signature;
  std::shared_ptr<const ParameterValues> _parameters;
  c10::Device _device;
  bool _follows_strides = false;
  Shape _batch;
  c10::SmallVector<Given, 8> _given; ///< inputs, then parameters
  c10::SmallVector<Given, 4> _tangents;
  c10::SmallVector<std::int64_t, 8> _tangent_places;
  c10::SmallVector<Region, 8> _read;                              ///< found when first needed
  c10::SmallVector<std::pair<Region, Label>, 4> _written;         ///< the caller's
  c10::SmallVector<std::pair<at::Tensor, at::Tensor>, 1> _copies; ///< (temporary, destination)
  c10::SmallVector<std::pair<at::Tensor, at::Tensor>, 1> _sums;   ///< (by point, summed along some axes)
};

} // namespace neml2::aoti
