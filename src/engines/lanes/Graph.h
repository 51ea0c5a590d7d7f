// SPDX-License-Identifier: MIT
#pragma once

#include "package/Metadata.h"
#include "package/SharedObject.h"

#include <ATen/core/TensorBody.h>
#include <initializer_list>
#include <memory>
#include <torch/csrc/inductor/aoti_runtime/interface.h>

namespace neml2::aoti
{

/// A compiled graph of a package. Immutable; makes runners.
class Graph
{
public:
  /// Reads, verifies and loads one of the package's `.pt2` files. Throws FatalError.
  Graph(const Metadata & metadata, const GraphInfo & info);

  const std::filesystem::path & path() const { return _path; }

private:
  friend class GraphRunner;

  std::filesystem::path _path;
  c10::Device _device;
  std::shared_ptr<const SharedObject> _code;
  decltype(&AOTInductorModelContainerCreateWithDevice) _create = nullptr;
  decltype(&AOTInductorModelContainerDelete) _delete = nullptr;
  decltype(&AOTInductorModelContainerGetNumInputs) _count_arguments = nullptr;
  decltype(&AOTInductorModelContainerGetNumOutputs) _count_results = nullptr;
  decltype(&AOTInductorModelContainerRunSingleThreaded) _run = nullptr;
};

/// One instance of a graph, for one thread at a time.
class GraphRunner
{
public:
  /// Thread-safe, one construction at a time: Inductor's containers are not safe to construct concurrently.
  explicit GraphRunner(std::shared_ptr<const Graph> graph);
  ~GraphRunner();
  GraphRunner(const GraphRunner &) = delete;
  GraphRunner & operator=(const GraphRunner &) = delete;

  /// Runs the graph on contiguous arrays of shape (nblocks, size, lanes), which it reads and writes in place.
  void operator()(std::initializer_list<const at::Tensor *> arrays);

  /// Number of arrays that the graph takes.
  std::size_t arguments() const;

private:
  std::shared_ptr<const Graph> _graph;
  AOTInductorModelContainerHandle _container = nullptr;
  std::size_t _results = 0; ///< what the graph returns, as opposed to writes: nothing of interest
};

} // namespace neml2::aoti
