// SPDX-License-Identifier: MIT
#include "engines/lanes/Graph.h"

#include "neml2/aoti/exceptions.h"
#include "package/Archive.h"
#include "package/Sha256.h"

#include <array>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/SmallVector.h>
#include <mutex>
#include <torch/csrc/inductor/aoti_torch/utils.h>

namespace neml2::aoti
{
namespace
{

/// The stream that this thread's work on a device goes to, in the device's own terms; null on CPUs.
AOTInductorStreamHandle stream_of(c10::Device device)
{
  if (device.is_cpu())
    return nullptr;
  const c10::impl::VirtualGuardImpl guard(device.type());
  return static_cast<AOTInductorStreamHandle>(guard.getStreamNativeHandle(guard.getStream(device)));
}

/// What a graph was compiled for, in the words that the compiler leaves in its archive: instructions, scalar
/// type, and the arrays (lanes, components of the state, components of its own output), whose sizes are part
/// of its code.
std::string layout_of(const Metadata & metadata, const GraphInfo & info)
{
  return metadata.isa + (metadata.dtype == c10::ScalarType::Double ? " float64 " : " float32 ") +
         std::to_string(metadata.lanes) + " " + std::to_string(metadata.state_size) + " " +
         std::to_string(info.size);
}

} // namespace

Graph::Graph(const Metadata & metadata, const GraphInfo & info)
    : _path(metadata.locate(info.file)), _device(metadata.device)
{
  const auto & expected = metadata.files.at(info.file);
  const auto archive = read_file(_path);
  if (static_cast<std::int64_t>(archive.size()) != expected.bytes)
    throw FatalError(_path.string() + " has " + std::to_string(archive.size()) +
                     " bytes, and its package says " + std::to_string(expected.bytes) +
                     ": it is truncated or altered; compile the model again");
  if (sha256(archive.data(), archive.size()) != expected.sha256)
    throw FatalError(_path.string() + " does not have the SHA-256 that its package says: it was altered; " +
                     "compile the model again");
  const auto layout =
      find_member(archive, "/neml2_layout", _path); // not there in packages of earlier versions
  if (!layout.empty() && layout != layout_of(metadata, info))
    throw FatalError(_path.string() + " was compiled for arrays of the layout '" + std::string(layout) +
                     "', and its package says '" + layout_of(metadata, info) + "'; compile the model again");
  _code = SharedObject::open(expected.sha256, find_shared_object(archive, _path), _path);
  _create =
      _code->function<std::remove_pointer_t<decltype(_create)>>("AOTInductorModelContainerCreateWithDevice");
  _delete = _code->function<std::remove_pointer_t<decltype(_delete)>>("AOTInductorModelContainerDelete");
  _count_arguments = _code->function<std::remove_pointer_t<decltype(_count_arguments)>>(
      "AOTInductorModelContainerGetNumInputs");
  _count_results = _code->function<std::remove_pointer_t<decltype(_count_results)>>(
      "AOTInductorModelContainerGetNumOutputs");
  _run = _code->function<std::remove_pointer_t<decltype(_run)>>("AOTInductorModelContainerRunSingleThreaded");
  const auto arguments = GraphRunner(std::shared_ptr<const Graph>(this, [](const Graph *) {})).arguments();
  const std::size_t expected_arguments = info.size > 0 ? 2 : 1;
  if (arguments != expected_arguments)
    throw FatalError(_path.string() + " takes " + std::to_string(arguments) + " arguments, expected " +
                     std::to_string(expected_arguments) + "; compile the model again");
}

GraphRunner::GraphRunner(std::shared_ptr<const Graph> graph) : _graph(std::move(graph))
{
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  if (_graph->_create(&_container, 1, _graph->_device.str().c_str(), nullptr) != AOTI_RUNTIME_SUCCESS)
    throw FatalError("the compiled graph " + _graph->path().string() + " could not be started");
  _graph->_count_results(_container, &_results);
}

GraphRunner::~GraphRunner()
{
  if (_container)
    _graph->_delete(_container);
}

std::size_t GraphRunner::arguments() const
{
  std::size_t count = 0;
  _graph->_count_arguments(_container, &count);
  return count;
}

void GraphRunner::operator()(std::initializer_list<const at::Tensor *> arrays)
{
  // The graph takes over the handles that it is given, and hands over those that it returns.
  std::array<AtenTensorHandle, 2> handles{};
  std::size_t count = 0;
  for (const auto * array : arrays)
    handles.at(count++) = torch::aot_inductor::tensor_pointer_to_tensor_handle(new at::Tensor(*array));
  c10::SmallVector<AtenTensorHandle, 2> results(_results, nullptr);
  const auto status = _graph->_run(_container, handles.data(), count, results.data(), results.size(),
                                   stream_of(_graph->_device), nullptr);
  for (auto * result : results)
    if (result)
      aoti_torch_delete_tensor_object(result);
  if (status != AOTI_RUNTIME_SUCCESS)
    throw FatalError("the compiled graph " + _graph->path().string() + " failed");
}

} // namespace neml2::aoti
