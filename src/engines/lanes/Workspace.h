// SPDX-License-Identifier: MIT
#pragma once

#include "engines/lanes/Graph.h"
#include "neml2/aoti/exceptions.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace neml2::aoti
{

/// Number of an array of a workspace.
using ArrayId = std::int32_t;

/// Arrays that every model has. Those of its segments follow.
enum : ArrayId
{
  state_array = 0,      ///< all variables of the model
  tangent_array = 1,    ///< tangents of a jvp call
  scratch_array = 2,    ///< intermediate derivatives
  constant_array = 3,   ///< numbers of a derivative program, the same for every point
  uniform_array = 4,    ///< derivatives that are the same for every point of a call
  next_state_array = 5, ///< variables of the points to come, while those before are being stored
  first_segment_array = 6
};

/// What all workspaces of a model have in common.
struct WorkspaceLayout
{
  std::int64_t lanes = 0;
  c10::ScalarType dtype = c10::ScalarType::Double;
  c10::Device device = c10::kCPU;
  std::int64_t arrays = first_segment_array;
  std::vector<std::shared_ptr<const Graph>> graphs;
};

/// The memory and the graph instances that one thread needs to evaluate a chunk of points.
class Workspace
{
public:
  explicit Workspace(const WorkspaceLayout & layout);

  /// Sets the number of blocks of the arrays asked for from now on. Fewer blocks keep what the first ones
  /// hold.
  void resize(std::int64_t blocks) { _blocks = blocks; }

  /// Array of shape (blocks, components, lanes), contiguous.
  const at::Tensor & array(ArrayId id, std::int64_t components);

  template <typename T>
  T * data(ArrayId id, std::int64_t components)
  {
    return static_cast<T *>(array(id, components).mutable_data_ptr());
  }

  /// Gives the memory of the arrays back where kernels may still be using it: a device's allocator hands it
  /// out again in the order of its stream, and the next call may run on another one.
  void release();

  /// Exchanges the state with that of the points to come.
  void swap_state() { std::swap(_arrays[state_array], _arrays[next_state_array]); }

  /// Instance of the graph with this number in the layout.
  GraphRunner & graph(std::size_t number) { return *_runners[number]; }

private:
  struct Array
  {
    at::Tensor tensor;
    std::int64_t capacity = 0; // elements
    std::int64_t blocks = -1;
    std::int64_t components = -1;
  };

  std::int64_t _lanes;
  c10::ScalarType _dtype;
  c10::Device _device;
  std::int64_t _blocks = 0;
  std::vector<Array> _arrays;
  std::vector<std::unique_ptr<GraphRunner>> _runners;
};

/// Workspaces that wait for their next use, so that a call makes none. Threads never wait for one another
/// here beyond taking one from a list.
class WorkspacePool
{
public:
  explicit WorkspacePool(WorkspaceLayout layout) : _layout(std::move(layout)) {}

  /// A borrowed workspace; goes back to the pool at the end of its life.
  class Loan
  {
  public:
    explicit Loan(WorkspacePool & pool) : _pool(pool), _workspace(pool.take()) {}
    ~Loan() { _pool.give(std::move(_workspace)); }
    Loan(const Loan &) = delete;
    Loan & operator=(const Loan &) = delete;

    Workspace & operator*() { return *_workspace; }

  private:
    WorkspacePool & _pool;
    std::unique_ptr<Workspace> _workspace;
  };

private:
  std::unique_ptr<Workspace> take();
  void give(std::unique_ptr<Workspace> workspace);

  WorkspaceLayout _layout;
  std::mutex _guard;
  std::vector<std::unique_ptr<Workspace>> _free;
};

/// Some neighbouring points of the batch.
struct Span
{
  std::int64_t first = 0;
  std::int64_t count = 0;
};

/// Some points in the middle of an evaluation.
struct Chunk
{
  Workspace & work;
  std::int64_t first = 0;  ///< position of the first point in the batch
  std::int64_t points = 0; ///< real ones; the lanes behind them repeat the last
  std::int64_t blocks = 0;
  std::vector<FailedPoint> failed = {}; ///< points that did not converge, by their position in the batch
  bool iterated = false;                ///< whether some point needed more than its first guess
};

} // namespace neml2::aoti
