// SPDX-License-Identifier: MIT
// Metadata: damaged ones are refused, and so are those whose hash holds and whose numbers do not fit one
// another.
#include "neml2/aoti/exceptions.h"
#include "package/Metadata.h"
#include "packages.h"

#include <nlohmann/json.hpp>

namespace neml2::aoti
{
namespace
{

using nlohmann::json;
using test::CopiedPackage;
using test::expect_error;

std::string text_of(const std::string & name, const std::string & model = "elasticity")
{
  return CopiedPackage::read(test::package(name, model));
}

Metadata parse(const std::string & text)
{
  return Metadata::parse(text, "x_meta.json");
}

/// As the compiler writes it, with a hash of itself.
std::string sealed(json root)
{
  root.erase("sha256");
  return CopiedPackage::sealed("{\n \"sha256\": \"" + std::string(64, '0') + "\",\n" +
                               root.dump(1).substr(2));
}

using Change = std::pair<std::string, json>; // JSON pointer, new value

void expect_refused(const json & root, const std::vector<Change> & changes, const std::string & words)
{
  auto changed = root;
  for (const auto & [where, value] : changes)
    changed[json::json_pointer(where)] = value;
  SCOPED_TRACE(changes.empty() ? words : changes[0].first + " = " + changes[0].second.dump());
  expect_error<FatalError>([&] { parse(sealed(changed)); }, {"x_meta.json", words});
}

TEST(MetadataHash, EveryFlippedBitIsRefused)
{
  const auto whole = text_of("baked");
  (void)parse(whole);
  for (std::size_t i = 0; i < whole.size(); i++)
  {
    auto damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << i % 8));
    EXPECT_THROW(parse(damaged), FatalError) << "byte " << i;
  }
}

TEST(MetadataHash, IsThatOfTheTextWithZerosInItsPlace)
{
  auto text = text_of("baked");
  const auto said = json::parse(text).at("sha256").get<std::string>();
  const auto blank = text.replace(text.find(said), said.size(), said.size(), '0');
  EXPECT_EQ(sha256(blank.data(), blank.size()), said);
}

TEST(MetadataHash, CannotBeLeftOut)
{
  auto root = json::parse(text_of("baked"));
  root.erase("sha256");
  expect_error<FatalError>([&] { parse(root.dump()); }, {"lacks its SHA-256"});
}

TEST(MetadataHash, PackagesOfEarlierVersionsHaveNone)
{
  auto root = json::parse(text_of("baked"));
  root.erase("sha256");
  root.erase("identity");
  root["schema"] = 1;
  EXPECT_EQ(parse(root.dump()).name, "elasticity");
  CopiedPackage copy("baked");
  CopiedPackage::write(copy.metadata(), root.dump());
  const auto strain = at::rand({3, 6}, test::float64());
  test::expect_close(Model(copy.metadata()).forward({{"strain", strain}}).at("stress"), test::hooke(strain));
}

TEST(MetadataText, DepthAndRepeatedMembers)
{
  for (const std::string open : {"[", "{\"a\":"})
  {
    std::string deep;
    for (int i = 0; i < 200000; i++)
      deep += open;
    expect_error<FatalError>([&] { parse(deep); }, {"x_meta.json", "nested more than 32 deep"});
  }
  expect_error<FatalError>([] { parse("{\"a\": 1, \"b\": {\"a\": 1}, \"a\": 2}"); }, {"'a' twice"});
  auto inside = text_of("baked");
  inside.insert(inside.find("\"offset\""), "\"offset\": 0, ");
  expect_error<FatalError>([&] { parse(CopiedPackage::sealed(inside)); }, {"'offset' twice"});
}

TEST(MetadataNumbers, OfVariables)
{
  const auto root = json::parse(text_of("promoted"));
  const auto refuse = [&](const std::vector<Change> & changes, const std::string & words)
  { expect_refused(root, changes, words); };
  refuse({{"/lanes", 8}}, "'lanes' is 8");
  refuse({{"/lanes", 4096}}, "'lanes' is 4096");
  refuse({{"/lanes", true}}, "'lanes' is true, which has the wrong type");
  refuse({{"/lanes", 16.0}}, "'lanes' is 16.0, which has the wrong type");
  refuse({{"/state_size", std::uint64_t(1) << 63}}, "'state_size' is 9223372036854775808");
  refuse({{"/state_size", 1 << 30}}, "'state_size' is 1073741824");
  refuse({{"/state_size", 1000}}, "no input, and no segment's output");
  refuse({{"/inputs/0/base_shape", {0}}}, "the extent 0");
  refuse({{"/inputs/0/base_shape", {-6}}}, "the extent -6");
  refuse({{"/inputs/0/base_shape", {1 << 30, 1 << 30, 1 << 30}}}, "the extent");
  refuse({{"/inputs/0/base_shape", {6.5}}}, "wrong type");
  refuse({{"/inputs/0/sub_batch_shape", json(std::vector<int>(40, 1))}}, "more than 16 axes");
  refuse({{"/inputs/0/offset", 1}}, "is taken");
  refuse({{"/inputs/0/name", ""}}, "a variable is called ''");
  refuse({{"/parameters/0/value", {1.0, 2.0}}}, "values");
  refuse({{"/parameters/0/batch_shape", {3}}}, "a batch axis of 3");
  refuse({{"/parameters/0/batch_shape", {0}}}, "a batch axis of 0");
  refuse({{"/parameters/0/name", "strain"}}, "the name of two inputs or parameters");
  refuse({{"/parameters/0/offset", nullptr}}, "has no place in the state");
  refuse({{"/derivatives/1", root["derivatives"][0]}}, "is there twice");
  refuse({{"/files/elasticity.pt2/sha256", "0"}}, "the SHA-256 of the file 'elasticity.pt2' is '0'");
  refuse({{"/files/elasticity.pt2/bytes", 0}}, "has 0 bytes");
  refuse({{"/files/other.pt2", root["files"]["elasticity.pt2"]}}, "nothing uses the file 'other.pt2'");
}

TEST(MetadataNumbers, OfForwardSegments)
{
  const auto root = json::parse(text_of("promoted"));
  const auto refuse = [&](const std::vector<Change> & changes, const std::string & words)
  { expect_refused(root, changes, words); };
  auto thousand = json::array();
  for (int i = 0; i < 1000; i++)
    thousand.push_back(root["segments"][0]);
  refuse({{"/segments", thousand}}, "is taken");
  refuse({{"/segments", json::array()}}, "no input, and no segment's output");
  refuse({{"/segments/0/outputs/0/0", 0}}, "is taken");
  refuse({{"/segments/0/inputs/0", root["segments"][0]["outputs"][0]}}, "has no value yet");
  refuse({{"/segments/0/inputs/0", {0, 6, 1}}}, "expected two numbers");
  refuse({{"/segments/0/dependencies/0/0", 7}}, "depends on its input 7");
  refuse({{"/segments/0/value", nullptr}}, "does not determine each of its outputs once");
  refuse({{"/segments/0/copies", {{0, 1}}}}, "does not determine each of its outputs once");
  refuse({{"/segments/0/derivative/size", root["segments"][0]["derivative"]["size"].get<int>() + 1}},
         "are used");
  refuse({{"/segments/0/derivative/file", "elasticity.pt2"}}, "is used twice");
  refuse({{"/segments/0/derivative/blocks/0/output", {0, 6}}}, "which are none of it");
  refuse({{"/segments/0/derivative/blocks/0/entries/index/0", 1000}}, "outside its graph's");
  refuse({{"/segments/0/derivative/blocks/0/entries/index/0", -1000}}, "outside its graph's");
  refuse({{"/segments/0/derivative/blocks/1", root["segments"][0]["derivative"]["blocks"][0]}},
         "is there twice");
}

TEST(MetadataNumbers, OfImplicitSegments)
{
  const auto root = json::parse(text_of("isoharden", "model"));
  std::size_t number = 0;
  while (root["segments"][number]["kind"] != "implicit")
    number++;
  const auto at = "/segments/" + std::to_string(number);
  const auto & segment = root["segments"][number];
  const auto refuse = [&](const std::string & where, const json & value, const std::string & words)
  { expect_refused(root, {{at + where, value}}, words); };
  refuse("/newton/residual", 1 << 20, "residuals for");
  refuse("/newton/size", segment["newton"]["size"].get<int>() + 16, "are used");
  refuse("/newton/jacobian/index", json::array(), "are used");
  refuse("/unknowns", json::array(), "has no unknowns");
  refuse("/unknowns/1", segment["unknowns"][0], "one of them twice");
  refuse("/derivative/file", nullptr, "");
  refuse("/derivative/blocks/0/output", {0, 1}, "which are none of it");
  refuse("/max_substepping_level", std::int64_t(1) << 32, "'max_substepping_level' is 4294967296");
  refuse("/incremental", {{{"kind", "force"}, {"name", "x"}, {"current", {0, 1}}, {"old", {1, 1}}}},
         "cuts no steps");
  refuse("/incremental", {{{"kind", "x"}, {"name", "x"}, {"current", {0, 1}}, {"old", {1, 1}}}},
         "of the kind 'x'");
}

TEST(MetadataNumbers, InfinitiesAreWords)
{
  auto root = json::parse(text_of("promoted"));
  root["parameters"][0]["value"] = {"inf"};
  EXPECT_EQ(parse(sealed(root)).parameters[0].value[0], std::numeric_limits<double>::infinity());
  root["parameters"][0]["value"] = {"-inf"};
  EXPECT_EQ(parse(sealed(root)).parameters[0].value[0], -std::numeric_limits<double>::infinity());
  expect_refused(root, {{"/parameters/0/value", {"infinite"}}}, "wrong type");
}

// The arrays that a graph was compiled for are part of its code: its archive says them too.
TEST(MetadataNumbers, AreThoseOfTheGraphs)
{
  for (const auto * isa : {"generic", "sse9"})
  {
    CopiedPackage copy("baked");
    auto root = json::parse(CopiedPackage::read(copy.metadata()));
    if (root["isa"] == isa)
      continue;
    root["isa"] = isa;
    CopiedPackage::write(copy.metadata(), sealed(root));
    EXPECT_THROW(Model{copy.metadata()}, FatalError);
  }
  CopiedPackage copy("baked");
  auto root = json::parse(CopiedPackage::read(copy.metadata()));
  root["lanes"] = 128;
  CopiedPackage::write(copy.metadata(), sealed(root));
  expect_error<FatalError>([&] { const Model model(copy.metadata()); },
                           {"elasticity.pt2 was compiled for arrays of the layout", " 16 12 0'"});
}

} // namespace
} // namespace neml2::aoti
