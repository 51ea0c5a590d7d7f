// SPDX-License-Identifier: MIT
// The chain rule on segments that are given as matrices, against products of those matrices.
#include "engines/lanes/Program.h"

#include <gtest/gtest.h>
#include <random>

namespace neml2::aoti
{
namespace
{

constexpr std::int64_t lanes = 16;

/// Row-major.
struct Matrix
{
  std::int64_t rows, columns;
  std::vector<double> entries;

  Matrix(std::int64_t r, std::int64_t c) : rows(r), columns(c), entries(static_cast<std::size_t>(r * c)) {}
  double & operator()(std::int64_t i, std::int64_t j)
  {
    return entries[static_cast<std::size_t>(i * columns + j)];
  }
  double operator()(std::int64_t i, std::int64_t j) const
  {
    return entries[static_cast<std::size_t>(i * columns + j)];
  }
};

Matrix operator*(const Matrix & a, const Matrix & b)
{
  Matrix c(a.rows, b.columns);
  for (std::int64_t i = 0; i < a.rows; i++)
    for (std::int64_t j = 0; j < b.columns; j++)
      for (std::int64_t k = 0; k < a.columns; k++)
        c(i, j) += a(i, k) * b(k, j);
  return c;
}

/// Some entries vary from point to point, some are constants, some are zero; points differ by a factor.
class LinearSegment : public Segment
{
public:
  LinearSegment(ArrayId array, std::vector<Range> outputs, std::vector<BlockInfo> blocks, std::int64_t size)
      : _array(array), _outputs(std::move(outputs))
  {
    _info.blocks = std::move(blocks);
    _info.graph.size = size;
  }

  void value(Chunk &) const override {}
  void derivative(Chunk &) const override {}
  const std::vector<Range> & outputs() const override { return _outputs; }
  const DerivativeInfo * derivatives() const override { return &_info; }
  ArrayId derivative_array() const override { return _array; }

private:
  ArrayId _array;
  std::vector<Range> _outputs;
  DerivativeInfo _info;
};

/// Writes blocks for segments, and remembers what their entries are at each point.
class Model
{
public:
  explicit Model(std::uint32_t seed) : _random(seed) {}

  /// A block of a random matrix; adds its varying entries to the values of an array.
  BlockInfo block(ArrayId array, Range output, Range input)
  {
    BlockInfo info{output, input, {{}, {0.0, 1.0, 2.5}}};
    for (std::int64_t i = 0; i < output.size * input.size; i++)
    {
      const int kind = std::uniform_int_distribution(0, 5)(_random);
      if (kind < 3)
        info.entries.index.push_back(-kind - 1);
      else
      {
        auto & values = arrays[array];
        info.entries.index.push_back(static_cast<std::int64_t>(values.size()));
        values.push_back(std::uniform_real_distribution(-1.0, 1.0)(_random));
      }
    }
    return info;
  }

  /// The matrix that a block stands for at lane 0.
  Matrix matrix(ArrayId array, const BlockInfo & block) const
  {
    Matrix m(block.output.size, block.input.size);
    for (std::size_t i = 0; i < block.entries.index.size(); i++)
    {
      const auto index = block.entries.index[i];
      m.entries[i] = index < 0 ? block.entries.constants[static_cast<std::size_t>(-index - 1)]
                               : arrays.at(array)[static_cast<std::size_t>(index)];
    }
    return m;
  }

  std::map<ArrayId, std::vector<double>> arrays;

private:
  std::mt19937 _random;
};

/// Evaluates a program's results at lane 0 of one block.
std::vector<double> evaluate(const Program & program, const std::map<ArrayId, std::vector<double>> & arrays)
{
  std::map<ArrayId, std::vector<double>> memory;
  ArrayViews<double> views(16);
  const auto add = [&](ArrayId id, const std::vector<double> & values)
  {
    auto & data = memory[id];
    for (const auto value : values)
      data.insert(data.end(), lanes, value);
    views[static_cast<std::size_t>(id)] = {data.data(), 0};
  };
  for (const auto & [id, values] : arrays)
    add(id, values);
  add(constant_array, program.constants);
  add(scratch_array,
      std::vector<double>(static_cast<std::size_t>(program.scratch_size), 1e300)); // never read before set
  for (const auto & step : program.steps)
    if (const auto * combine = std::get_if<Program::Combine>(&step))
      run_instructions(program, combine->first, combine->last, views, 1, lanes);
  std::vector<double> results;
  for (const auto & result : program.results)
    results.push_back(*lanes_of(views, result.operand, lanes).data);
  return results;
}

void seed_identity(ProgramBuilder & builder, Range range, std::int64_t column)
{
  for (std::int64_t i = 0; i < range.size; i++)
    builder.seed(range.offset + i, column + i, Entry::number(1));
}

std::vector<Entry> entries_at(const ProgramBuilder & builder, Range rows, std::int64_t columns)
{
  std::vector<Entry> entries;
  for (std::int64_t i = rows.offset; i < rows.end(); i++)
    for (std::int64_t j = 0; j < columns; j++)
      entries.push_back(builder.at(i, j));
  return entries;
}

void expect_equal(const std::vector<double> & actual, const Matrix & expected)
{
  ASSERT_EQ(actual.size(), expected.entries.size());
  for (std::size_t i = 0; i < actual.size(); i++)
    EXPECT_NEAR(actual[i], expected.entries[i], 1e-13 * (1 + std::abs(expected.entries[i])));
}

class ChainRule : public testing::TestWithParam<std::uint32_t>
{
};

INSTANTIATE_TEST_SUITE_P(Seeds, ChainRule, testing::Range(0u, 20u));

// x -> a -> c, x -> b -> c, and x -> c directly: c' = Ca A + Cb B + Cx.
TEST_P(ChainRule, SumsOverAllPaths)
{
  const Range x{0, 3}, a{3, 4}, b{7, 2}, c{9, 3};
  const ArrayId first = first_segment_array, second = first + 1, third = first + 2;
  Model model(GetParam());
  const auto A = model.block(first, a, x), B = model.block(second, b, x);
  const auto Ca = model.block(third, c, a), Cb = model.block(third, c, b), Cx = model.block(third, c, x);
  std::vector<std::unique_ptr<Segment>> segments;
  segments.push_back(std::make_unique<LinearSegment>(first, std::vector{a}, std::vector{A}, 99));
  segments.push_back(std::make_unique<LinearSegment>(second, std::vector{b}, std::vector{B}, 99));
  segments.push_back(std::make_unique<LinearSegment>(third, std::vector{c}, std::vector{Ca, Cb, Cx}, 99));

  ProgramBuilder builder(segments, 12, x.size);
  seed_identity(builder, x, 0);
  builder.propagate();
  const auto program = builder.finish(entries_at(builder, c, x.size));

  auto expected = model.matrix(third, Ca) * model.matrix(first, A);
  const auto other = model.matrix(third, Cb) * model.matrix(second, B);
  const auto direct = model.matrix(third, Cx);
  for (std::size_t i = 0; i < expected.entries.size(); i++)
    expected.entries[i] += other.entries[i] + direct.entries[i];
  expect_equal(evaluate(program, model.arrays), expected);
}

// A jvp is the same with one column of tangents.
TEST_P(ChainRule, CarriesTangents)
{
  const Range x{0, 3}, a{3, 4}, c{7, 2};
  const ArrayId first = first_segment_array, second = first + 1;
  Model model(GetParam());
  const auto A = model.block(first, a, x), C = model.block(second, c, a);
  std::vector<std::unique_ptr<Segment>> segments;
  segments.push_back(std::make_unique<LinearSegment>(first, std::vector{a}, std::vector{A}, 99));
  segments.push_back(std::make_unique<LinearSegment>(second, std::vector{c}, std::vector{C}, 99));
  Matrix tangent(3, 1);
  tangent.entries = {0.5, -2, 3};
  model.arrays[tangent_array] = tangent.entries;

  ProgramBuilder builder(segments, 9, 1);
  for (std::int32_t i = 0; i < 3; i++)
    builder.seed(i, 0, Entry::of({tangent_array, i}));
  builder.propagate();
  const auto program = builder.finish(entries_at(builder, c, 1));
  expect_equal(evaluate(program, model.arrays), model.matrix(second, C) * model.matrix(first, A) * tangent);
}

// What a later segment overwrites has the later segment's derivative.
TEST(Program, ALaterSegmentReplacesAnEarlierOne)
{
  const Range x{0, 2}, y{2, 2};
  const BlockInfo twice{y, x, {{-1, -2, -2, -1}, {2.0, 0.0}}}, thrice{y, x, {{-1, -2, -2, -1}, {3.0, 0.0}}};
  std::vector<std::unique_ptr<Segment>> segments;
  segments.push_back(
      std::make_unique<LinearSegment>(ArrayId(first_segment_array), std::vector{y}, std::vector{twice}, 1));
  segments.push_back(std::make_unique<LinearSegment>(ArrayId(first_segment_array + 1), std::vector{y},
                                                     std::vector{thrice}, 1));
  ProgramBuilder builder(segments, 4, 2);
  seed_identity(builder, x, 0);
  builder.propagate();
  const auto program = builder.finish(entries_at(builder, y, 2));
  EXPECT_TRUE(program.empty()) << "constants need no steps";
  Matrix expected(2, 2);
  expected.entries = {3, 0, 0, 3};
  expect_equal(evaluate(program, {}), expected);
}

TEST(Program, LeavesOutWhatNoResultNeeds)
{
  const Range x{0, 1}, needed{1, 1}, other{2, 1};
  const BlockInfo one{needed, x, {{0}, {}}}, two{other, x, {{0}, {}}};
  std::vector<std::unique_ptr<Segment>> segments;
  segments.push_back(std::make_unique<LinearSegment>(ArrayId(first_segment_array), std::vector{needed},
                                                     std::vector{one}, 1));
  segments.push_back(std::make_unique<LinearSegment>(ArrayId(first_segment_array + 1), std::vector{other},
                                                     std::vector{two}, 1));
  ProgramBuilder builder(segments, 3, 1);
  seed_identity(builder, x, 0);
  builder.propagate();
  const auto program = builder.finish({builder.at(1, 0)});
  ASSERT_EQ(program.steps.size(), 1u);
  EXPECT_EQ(std::get<Program::Evaluate>(program.steps[0]).segment, 0u);
  EXPECT_EQ(program.results[0].operand, (Operand{first_segment_array, 0})) << "read where the graph left it";
}

} // namespace
} // namespace neml2::aoti
