// SPDX-License-Identifier: MIT
#pragma once

#include <c10/core/ScalarType.h>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace neml2::aoti
{

/// The newest package format this library reads. From 2 on, metadata begin with a hash of themselves.
constexpr std::int64_t schema_version = 2;

/// Components [offset, offset + size) of the state.
struct Range
{
  std::int64_t offset = 0;
  std::int64_t size = 0;

  std::int64_t end() const { return offset + size; }
  bool operator==(const Range &) const = default;
};

/// All components of some ranges, in turn.
template <typename Integer>
std::vector<Integer> components_of(const std::vector<Range> & ranges)
{
  std::vector<Integer> components;
  for (const auto & range : ranges)
    for (auto c = range.offset; c < range.end(); c++)
      components.push_back(static_cast<Integer>(c));
  return components;
}

/// An input, output or parameter.
struct VariableInfo
{
  std::string name;
  std::string type; ///< "Scalar", "SR2", ...
  std::vector<std::int64_t> base_shape;
  std::vector<std::int64_t> sub_batch_shape;
  Range range; ///< in the state

  /// Axes behind the batch axes: (*sub_batch, *base).
  std::vector<std::int64_t> trailing_shape() const;
};

struct ParameterInfo
{
  VariableInfo variable;
  bool promoted = false;
  bool stored = false; ///< lives in the state; otherwise it is a constant of the graphs
  std::vector<std::int64_t> batch_shape;
  std::vector<double> value; ///< row-major, (*batch, *sub_batch, *base)
};

/// Where the entries of a matrix are: component `index` of a graph's own output, or constants[-index-1].
struct EntriesInfo
{
  std::vector<std::int64_t> index;
  std::vector<double> constants;
};

/// A block of derivatives of one range of the state with respect to another, row major.
struct BlockInfo
{
  Range output;
  Range input;
  EntriesInfo entries;
};

struct GraphInfo
{
  std::string file;
  std::int64_t size = 0; ///< components of its own output; 0 for a graph that works on the state alone
};

struct DerivativeInfo
{
  GraphInfo graph;
  EntriesInfo jacobian; ///< implicit segments only: d residual / d unknown, row major
  std::vector<BlockInfo> blocks;
};

struct ForwardInfo
{
  std::string name;
  std::vector<Range> inputs, outputs;
  std::optional<GraphInfo> value;                            ///< null where all it does is copy
  std::vector<std::pair<std::int64_t, std::int64_t>> copies; ///< components of the state: (from, to)
  std::vector<std::vector<std::int64_t>> dependencies;       ///< of each output: positions in `inputs`
  std::optional<DerivativeInfo> derivative;
};

using SolverOption = std::variant<bool, std::int64_t, double, std::string>;

/// A force or state that is cut into parts with the step.
struct IncrementInfo
{
  bool is_state = false; ///< its current value is an unknown
  Range current, old;
};

struct ImplicitInfo
{
  std::string name;
  std::vector<Range> unknowns, givens;
  GraphInfo newton;
  std::int64_t residual_size = 0;
  EntriesInfo jacobian; ///< of the Newton graph
  std::optional<GraphInfo> residual;
  std::optional<DerivativeInfo> derivative;
  std::int64_t max_substepping_level = 0;
  std::vector<IncrementInfo> incremental;
  std::map<std::string, SolverOption> solver; ///< options by name; "type" and "block" among them

  std::string solver_type() const;  ///< "Newton" or "NewtonWithLineSearch"
  std::string solver_block() const; ///< its name in the input file; "" where it has none
};

using SegmentInfo = std::variant<ForwardInfo, ImplicitInfo>;

/// One requested derivative.
struct PairInfo
{
  std::string output, input;
  std::vector<std::string> depends_on; ///< inputs and stored parameters that the block's value depends on
};

struct FileInfo
{
  std::string sha256;
  std::int64_t bytes = 0;
};

/// One variant of a native kernel.
struct KernelInfo
{
  std::string isa;
  std::string file;
};

/// What a package says of itself.
struct Metadata
{
  std::filesystem::path path; ///< of the metadata file
  std::string name;
  std::string identity; ///< of the request that it was compiled for; empty in packages of earlier versions
  std::string backend;
  std::string torch_version;
  std::string device; ///< "cpu" or "cuda"; once it is loaded, "cuda:0" or the like
  c10::ScalarType dtype = c10::ScalarType::Double;
  std::string isa; ///< of a CPU, instructions used: "avx512", "avx2", "generic"; of a native package, the
                   ///< least it has a kernel for
  std::int64_t lanes = 0;
  std::int64_t state_size = 0;
  std::vector<VariableInfo> inputs, outputs;
  std::vector<ParameterInfo> parameters;
  std::vector<SegmentInfo> segments;
  std::vector<PairInfo> derivatives;
  std::vector<KernelInfo> kernels; ///< native packages: best instructions first
  double work = 0;                 ///< native packages: arithmetic operations of one point, roughly
  std::map<std::string, FileInfo> files;

  /// Reads and checks a metadata file. Throws FatalError with the path and the reason.
  static Metadata read(const std::filesystem::path & path);

  /// Reads and checks the text of the metadata file `path`. Throws FatalError with the path and the reason.
  static Metadata parse(const std::string & text, const std::filesystem::path & path);

  /// Path of one of the package's files. Its name was checked when the metadata was read.
  std::filesystem::path locate(const std::string & file) const { return path.parent_path() / file; }
};

/// Throws std::invalid_argument where the numbers of a package do not fit one another: whatever the engines
/// take for granted of offsets, sizes, indices and files is looked at here.
void check_metadata(const Metadata & metadata);

/// Throws FatalError where this process cannot run the package: another torch, device or instruction set.
void check_runnable(const Metadata & metadata);

} // namespace neml2::aoti
