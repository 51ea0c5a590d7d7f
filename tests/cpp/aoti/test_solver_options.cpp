// SPDX-License-Identifier: MIT
// Options of solvers that a host gives, and what it learns of points that fail.
#include "neml2/aoti/exceptions.h"
#include "neml2/native/Kernel.h"
#include "neml2/solvers/OptionTable.h"
#include "packages.h"

#include <cmath>

namespace neml2::aoti
{
namespace
{

using test::expect_error;
using test::float64;
using test::package;

void refuse(const SolverOptions & solvers, const std::vector<std::string> & words)
{
  expect_error<FatalError>([&] { const Model model(package("isoharden", "model"), solvers); }, words);
}

TEST(SolverOptions, NamesAndValues)
{
  refuse({{"newton", {{"max_iter", "6"}}}},
         {"'newton'", "'max_iter'", "did you mean 'max_its'?", "'abs_tol'"});
  refuse({{"newtn", {{"max_its", "6"}}}}, {"unknown solver 'newtn'", "did you mean 'newton'?"});
  refuse({{"newton", {{"type", "NewtonWithLineSearch"}}}}, {"'type'", "expected Newton", "compile again"});
  for (const auto * value : {"0", "-3", "4294967297", "99999999999999999999", "5.0", "1e2", "nan", "", "6x"})
    refuse({{"newton", {{"max_its", value}}}}, {"'max_its'", value, "an integer from 1 to 2147483647"});
  for (const auto * value : {"nan", "inf", "-inf", "-1", "0x1p-3", "1e999", "small", "1e-8 1"})
    refuse({{"newton", {{"rel_tol", value}}}}, {"'rel_tol'", value, "a finite number, 0 or more"});
  EXPECT_NO_THROW(Model(package("isoharden", "model"), {{"newton", {{"max_its", "+7"}, {"abs_tol", "1"}}}}));
}

TEST(SolverOptions, OfAModelWithoutSolvers)
{
  expect_error<FatalError>([] { const Model model(package("plain"), {{"newton", {}}}); },
                           {"unknown solver 'newton'", "none"});
}

TEST(OptionTable, ItsOwnValuesAreAccepted)
{
  for (const auto type : solvers::solver_types())
    for (const auto & option : solvers::options_of(type))
    {
      EXPECT_TRUE(option.accept(option.initial)) << option.name;
      EXPECT_EQ(solvers::find_option(type, option.name), &option);
      EXPECT_FALSE(option.parse("nan") || option.parse("inf") || option.parse("0x10")) << option.name;
    }
  EXPECT_TRUE(solvers::options_of("Secant").empty());
  const auto options = solvers::newton_options("Newton", {{"max_its", std::int64_t(7)}}, false);
  EXPECT_EQ(options.max_its, 7);
  EXPECT_FALSE(options.update_tol || options.line_search);
}

TEST(FailedPoints, SayWhy)
{
  static_assert(int(FailureReason::iterations_used) == NEML2_NATIVE_MAX_ITERATIONS &&
                int(FailureReason::not_finite) == NEML2_NATIVE_NOT_FINITE &&
                int(FailureReason::singular) == NEML2_NATIVE_SINGULAR);
  const Model model(package("isoharden", "model"), {{"newton", {{"max_its", "2"}}}});
  ValueMap inputs;
  for (const auto & [name, base] : model.input_base_shapes())
  {
    auto shape = base;
    shape.insert(shape.begin(), 3);
    inputs[name] = at::zeros(shape, float64());
  }
  inputs.at("t").fill_(1);
  inputs.at("strain")[0][0] = 0.1;
  inputs.at("strain")[2][0] = std::nan("");
  try
  {
    (void)model.jacobian(inputs);
    ADD_FAILURE() << "no exception";
  }
  catch (const ConvergenceError & error)
  {
    ASSERT_EQ(error.points().size(), 2u);
    EXPECT_EQ(error.points()[0].index, 0);
    EXPECT_EQ(error.points()[0].reason, FailureReason::iterations_used);
    EXPECT_EQ(error.points()[1].index, 2);
    EXPECT_EQ(error.points()[1].reason, FailureReason::not_finite);
    EXPECT_NE(std::string(error.what()).find("input 'strain' is not finite"), std::string::npos)
        << error.what();
  }
}

} // namespace
} // namespace neml2::aoti
