// SPDX-License-Identifier: MIT
// What stands in the stub of a compiled model, beyond the package it names.
#include "neml2/csrc/dispatchers/factory.h"
#include "packages.h"

#include <ATen/ATen.h>

namespace neml2::aoti
{
namespace
{

using test::CopiedPackage;
using test::expect_error;
std::string stub_text(const std::string & more, const std::string & after = "")
{
  return "[Models]\n  [elasticity]\n    type = AOTIModel\n    artifact_path = 'elasticity'\n" + more +
         "  []\n[]\n" + after;
}

std::string repeated(const std::string & text, int times)
{
  std::string result;
  for (int i = 0; i < times; i++)
    result += text;
  return result;
}

} // namespace

TEST(Stubs, HostileTextIsAnErrorWithAPlace)
{
  CopiedPackage copy("promoted");
  const auto refused = [&](const std::string & text, std::vector<std::string> words)
  {
    CopiedPackage::write(copy.stub(), text);
    words.push_back("elasticity_aoti.i");
    expect_error<FatalError>([&] { load_model(copy.stub(), "elasticity"); }, words);
  };
  refused(repeated("[a]\n", 8000) + repeated("[]\n", 8000), {":65: blocks nested more than 64 deep"});
  refused("[" + repeated("a/", 8000) + "b]\n[]\n", {":1: blocks nested"});
  refused(repeated("a/", 8000) + "b = 1\n", {":1: blocks nested"});
  refused("# first\n!include elasticity_aoti.i\n", {":2: the file includes itself"});
  refused("!include .\n", {":1: cannot open include file '.'"});
  refused("\xef\xbb\xbf" + stub_text(""), {"byte-order mark"});
  refused(stub_text("") + std::string(1, '\0'), {":7: byte 0x00"});
  refused("x = 'open\n", {":1: the quote is not closed"});
  refused(stub_text("    E = ${E}\n", "E = ${F}\nF = ${E}\n"), {"Models/elasticity/E", "refers to itself"});
  refused(stub_text("    E = " + repeated("${raw ", 5000) + "1" + repeated("}", 5000) + "\n"),
          {"braces nested"});
  std::string doubling = "x0 = ''\n";
  for (int i = 1; i < 60; i++)
    doubling += "x" + std::to_string(i) + " = '" + repeated("${x" + std::to_string(i - 1) + "}", 2) + "'\n";
  refused(stub_text("    E = ${x59}\n", doubling), {"too many others"});
  refused(stub_text("    E = ${nothing}\n"), {"nothing"});
  refused(stub_text("", stub_text("")), {"defined twice; the first stands at"});
  const std::string solver = "[Solvers]\n  [newton]\n    max_its = 3\n  []\n[]\n";
  refused(stub_text("", solver + solver), {"[Solvers/newton]", "defined twice"});
  refused(stub_text("    F = 1\n"), {"'F'", "no promoted parameter", "promoted are: 'E'"});
  refused(stub_text("    E = '1 2'\n"), {"'E'", "2 numbers for a parameter of 1"});
  refused(stub_text("    E = 12abc\n"), {"'12abc' is no number"});
}

TEST(Stubs, ARingOfIncludes)
{
  CopiedPackage copy("promoted");
  std::filesystem::create_directory(copy.root() / "inner");
  CopiedPackage::write(copy.stub(), "!include inner/n.i\n");
  CopiedPackage::write(copy.root() / "inner" / "n.i", "!include ../elasticity_aoti.i\n");
  expect_error<FatalError>([&] { load_model(copy.stub(), "elasticity"); },
                           {"n.i:1: the file includes itself"});
}

TEST(Stubs, AnIncludedStubAndReferencesWork)
{
  CopiedPackage copy("promoted");
  CopiedPackage::write(copy.root() / "all.i",
                       "modulus = 5e3 # MPa\n!include elasticity_aoti.i # the model\n");
  CopiedPackage::write(copy.stub(), stub_text("    E = ${modulus}\n", "# '\n"));
  EXPECT_EQ(load_model(copy.root() / "all.i", "elasticity").named_parameters().at("E").item<double>(), 5e3);
}

} // namespace neml2::aoti
