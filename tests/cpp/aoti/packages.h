// SPDX-License-Identifier: MIT
#pragma once

#include "neml2/aoti/Model.h"
#include "package/Sha256.h"

#include <ATen/ATen.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

namespace neml2::aoti::test
{

/// Folder of a package that tests/cpp/packages/build.py made.
inline std::filesystem::path package_folder(const std::string & name)
{
  const char * root = std::getenv("NEML2_TEST_PACKAGES");
  return std::filesystem::path(root ? root : "NEML2_TEST_PACKAGES is not set: run the tests through ctest") /
         name;
}

/// Metadata of a package, `model` being the name of its model.
inline std::filesystem::path package(const std::string & name, const std::string & model = "elasticity")
{
  return package_folder(name) / model / "cpu" / (model + "_meta.json");
}

inline std::filesystem::path stub(const std::string & name, const std::string & model = "elasticity")
{
  return package_folder(name) / (model + "_aoti.i");
}

inline at::TensorOptions float64()
{
  return at::TensorOptions().dtype(at::kDouble);
}

/// Hooke's law for strains (*batch, 6) in Mandel notation: sigma = lambda tr(epsilon) I + 2 mu epsilon.
inline at::Tensor hooke(const at::Tensor & strain, double E = 200e3, double nu = 0.3)
{
  const double lambda = E * nu / ((1 + nu) * (1 - 2 * nu)), mu = E / (2 * (1 + nu));
  const auto identity = at::tensor({1., 1., 1., 0., 0., 0.}, strain.options());
  return 2 * mu * strain + lambda * (strain * identity).sum(-1, true) * identity;
}

/// A copy of a package in a folder of its own, to be damaged; removed with the object.
class CopiedPackage
{
public:
  explicit CopiedPackage(const std::string & name, const std::string & model = "elasticity") : _model(model)
  {
    std::string pattern = (std::filesystem::temp_directory_path() / "neml2-test-XXXXXX").string();
    _root = ::mkdtemp(pattern.data());
    std::filesystem::copy(package_folder(name), _root, std::filesystem::copy_options::recursive);
  }
  ~CopiedPackage()
  {
    std::error_code ignored;
    std::filesystem::remove_all(_root, ignored);
  }
  CopiedPackage(const CopiedPackage &) = delete;
  CopiedPackage & operator=(const CopiedPackage &) = delete;

  const std::filesystem::path & root() const { return _root; }
  std::filesystem::path folder() const { return _root / _model / "cpu"; }
  std::filesystem::path metadata() const { return folder() / (_model + "_meta.json"); }
  std::filesystem::path stub() const { return _root / (_model + "_aoti.i"); }

  static std::string read(const std::filesystem::path & path)
  {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
  }

  static void write(const std::filesystem::path & path, const std::string & content)
  {
    std::ofstream(path, std::ios::binary) << content;
  }

  /// Replaces the first occurrence of a text in the metadata, which get the hash that belongs to them then.
  void replace(const std::string & from, const std::string & to) const
  {
    auto text = read(metadata());
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write(metadata(), sealed(text.replace(at, from.size(), to)));
  }

  /// Text of metadata with the hash that belongs to it.
  static std::string sealed(std::string text)
  {
    constexpr std::size_t digits = 64;
    const auto at = std::string("{\n \"sha256\": \"").size();
    text.replace(at, digits, digits, '0');
    return text.replace(at, digits, sha256(text.data(), text.size()));
  }

private:
  std::string _model;
  std::filesystem::path _root;
};

/// Expects an exception of a certain type whose message contains all of some words.
template <typename Error, typename Function>
void expect_error(Function && function, const std::vector<std::string> & words)
{
  try
  {
    function();
    ADD_FAILURE() << "no exception";
  }
  catch (const Error & error)
  {
    for (const auto & word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << "'" << word << "' is not in: " << error.what();
  }
}

/// Expects two tensors of one shape to agree within a tolerance relative to the largest entry.
inline void expect_close(const at::Tensor & actual, const at::Tensor & expected, double tolerance = 1e-12)
{
  ASSERT_EQ(actual.sizes(), expected.sizes());
  ASSERT_EQ(actual.scalar_type(), expected.scalar_type());
  if (expected.numel() == 0)
    return;
  const auto scale = expected.abs().max().item<double>();
  EXPECT_LE((actual - expected).abs().max().item<double>(), tolerance * std::max(scale, 1e-300));
}

} // namespace neml2::aoti::test
