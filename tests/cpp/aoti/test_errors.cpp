// SPDX-License-Identifier: MIT
// Bad calls and bad packages: the type of the error and its words.
#include "neml2/csrc/dispatchers/factory.h"
#include "package/SharedObject.h"
#include "packages.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <thread>

namespace neml2::aoti
{
namespace
{

using test::CopiedPackage;
using test::expect_error;
using test::float64;
using test::package;

at::Tensor zeros(at::IntArrayRef shape)
{
  return at::zeros(shape, float64());
}

class BadCalls : public testing::Test
{
protected:
  Model model{package("promoted")};
  Model plain{package("plain")};

  void refuse(const ValueMap & inputs, const std::vector<std::string> & words) const
  {
    expect_error<FatalError>([&] { (void)model.forward(inputs); }, words);
    expect_error<FatalError>([&] { (void)model.jacobian(inputs); }, words);
    expect_error<FatalError>([&] { (void)model.jvp(inputs, {}); }, words);
    expect_error<FatalError>([&] { model.forward_into(inputs, {}); }, words);
  }
};

TEST_F(BadCalls, MissingInput)
{
  refuse({}, {"missing input 'strain'"});
}

TEST_F(BadCalls, SeveralMissingInputs)
{
  expect_error<FatalError>([] { (void)Model(package("combination", "combination")).forward({}); },
                           {"missing inputs 'a', 'b'"});
}

TEST_F(BadCalls, UnknownInput)
{
  refuse({{"strian", zeros({2, 6})}}, {"unknown input 'strian'", "did you mean 'strain'?"});
  refuse({{"strain", zeros({2, 6})}, {"temperature", zeros({2})}},
         {"unknown input 'temperature'", "'strain'"});
}

TEST_F(BadCalls, WrongShape)
{
  refuse({{"strain", zeros({2, 5})}}, {"input 'strain'", "(2, 5)", "expected (*batch, 6)"});
  refuse({{"strain", zeros({})}}, {"input 'strain'", "()", "expected (*batch, 6)"});
}

TEST_F(BadCalls, WrongDtype)
{
  refuse({{"strain", zeros({2, 6}).to(at::kFloat)}}, {"input 'strain'", "float32", "expected float64"});
  refuse({{"strain", zeros({2, 6}).to(at::kLong)}}, {"input 'strain'", "int64", "expected float64"});
  refuse({{"strain", zeros({2, 6}).to(at::kBool)}}, {"input 'strain'", "bool", "expected float64"});
  refuse({{"strain", zeros({2, 6}).to(at::kComplexDouble)}},
         {"input 'strain'", "Complex", "expected float64"});
}

TEST_F(BadCalls, WrongDeviceOrLayout)
{
  refuse({{"strain", zeros({2, 6}).to(at::kMeta)}}, {"input 'strain'", "'meta'", "expected 'cpu'"});
  refuse({{"strain", zeros({2, 6}).to_sparse()}}, {"input 'strain'", "no plain tensor"});
  refuse({{"strain", at::Tensor()}}, {"input 'strain'", "undefined"});
}

TEST_F(BadCalls, BatchesThatDoNotBroadcast)
{
  expect_error<FatalError>(
      []
      {
        (void)Model(package("combination", "combination"))
            .forward({{"a", zeros({2, 6})}, {"b", zeros({3, 6})}});
      },
      {"do not broadcast", "input 'a' has (2,)", "input 'b' has (3,)"});
  expect_error<FatalError>([&] { (void)model.jvp({{"strain", zeros({2, 6})}}, {{"strain", zeros({3, 6})}}); },
                           {"do not broadcast", "tangent 'strain' has (3,)"});
}

TEST_F(BadCalls, DerivativesOfAPackageWithout)
{
  expect_error<FatalError>([&] { (void)plain.jvp({{"strain", zeros({6})}}, {}); },
                           {"jvp", "-d OUTPUT:INPUT"});
  expect_error<FatalError>([&] { (void)plain.jacobian({{"strain", zeros({6})}}); },
                           {"jacobian", "-d OUTPUT:INPUT"});
}

TEST_F(BadCalls, Tangents)
{
  const auto jvp = [&](const ValueMap & tangents) { (void)model.jvp({{"strain", zeros({2, 6})}}, tangents); };
  expect_error<FatalError>([&] { jvp({{"strian", zeros({2, 6})}}); },
                           {"unknown name 'strian' among the tangents", "did you mean 'strain'?"});
  expect_error<FatalError>([&] { jvp({{"nu", zeros({})}}); }, {"'nu'", "no derivative", "-d :nu"});
  expect_error<FatalError>([&] { jvp({{"strain", zeros({2, 4})}}); }, {"tangent 'strain'", "(2, 4)"});
  expect_error<FatalError>([&] { jvp({{"strain", zeros({2, 6}).to(at::kFloat)}}); },
                           {"tangent 'strain'", "float32"});
}

TEST_F(BadCalls, AFailedCallChangesNothing)
{
  const auto strain = at::ones({2, 6}, float64()), stress = at::full({2, 6}, 7., float64());
  EXPECT_THROW(model.forward_into({{"strain", strain}, {"x", strain}}, {{"stress", stress}}), FatalError);
  EXPECT_TRUE(at::equal(stress, at::full({2, 6}, 7., float64())));
  test::expect_close(model.forward({{"strain", strain}}).at("stress"), test::hooke(strain));
}

// -- packages
// --------------------------------------------------------------------------------------------------------

void refuse_package(const std::filesystem::path & metadata, const std::vector<std::string> & words)
{
  expect_error<FatalError>([&] { const Model model(metadata); }, words);
}

TEST(BadPackages, Missing)
{
  refuse_package("/no/such/folder/x_meta.json", {"/no/such/folder/x_meta.json", "No such file"});
  CopiedPackage copy("baked");
  std::filesystem::remove(copy.folder() / "elasticity.pt2");
  refuse_package(copy.metadata(), {"elasticity.pt2", "No such file"});
}

TEST(BadPackages, TruncatedMetadata)
{
  CopiedPackage copy("baked");
  const auto whole = CopiedPackage::read(copy.metadata());
  for (const auto size : {std::size_t(0), whole.size() / 2, whole.size() - 3})
  {
    CopiedPackage::write(copy.metadata(), whole.substr(0, size));
    refuse_package(copy.metadata(), {"elasticity_meta.json", "truncated or altered"});
  }
}

TEST(BadPackages, AlteredMetadata)
{
  const std::vector<std::tuple<std::string, std::string, std::string>> changes = {
      {"\"state_size\"", "\"staet_size\"", "'state_size' is missing"},
      {"\"lanes\": 16", "\"lanes\": \"16\"", "'lanes' is \"16\", which has the wrong type"},
      {"\"lanes\": 16", "\"lanes\": 5", "'lanes' is 5"},
      {"\"lanes\": 16", "\"lanes\": -16", "'lanes' is -16"},
      {"\"state_size\": 12", "\"state_size\": 7", "outside the state of size 7"},
      {"\"offset\": 6", "\"offset\": -6", "outside the state"},
      {"\"offset\": 6", "\"offset\": 4611686018427387904", "outside the state"},
      {"\"dtype\": \"float64\"", "\"dtype\": \"float16\"", "'float16'"},
      {"\"kind\": \"forward\"", "\"kind\": \"sideways\"", "'sideways'"},
      {"\"backend\": \"aoti\"", "\"backend\": \"abacus\"", "'abacus'"},
      {"\"output\": \"stress\"", "\"output\": \"sterss\"", "'sterss'"},
  };
  for (const auto & [from, to, words] : changes)
  {
    SCOPED_TRACE(to);
    CopiedPackage copy("baked");
    copy.replace(from, to);
    refuse_package(copy.metadata(), {"elasticity_meta.json", words});
  }
}

TEST(BadPackages, NewerSchema)
{
  CopiedPackage copy("baked");
  copy.replace("\"schema\": 2", "\"schema\": 1000");
  refuse_package(copy.metadata(), {"schema 1000", "newer", "update neml2"});
}

TEST(BadPackages, FileOutsideTheFolder)
{
  for (const auto * name : {"../elasticity.pt2", "/tmp/elasticity.pt2", "..", "a/b.pt2"})
  {
    CopiedPackage copy("baked");
    copy.replace("\"file\": \"elasticity.pt2\"", std::string("\"file\": \"") + name + "\"");
    refuse_package(copy.metadata(), {name, "does not lie in its own folder"});
  }
}

TEST(BadPackages, TruncatedOrAlteredGraph)
{
  CopiedPackage copy("baked");
  const auto path = copy.folder() / "elasticity.pt2";
  auto content = CopiedPackage::read(path);
  CopiedPackage::write(path, content.substr(0, 1000));
  refuse_package(copy.metadata(), {"elasticity.pt2", "1000 bytes", "truncated or altered"});
  content[content.size() / 2] ^= 1;
  CopiedPackage::write(path, content);
  refuse_package(copy.metadata(), {"elasticity.pt2", "SHA-256", "altered"});
}

TEST(BadPackages, AnotherDevice)
{
  CopiedPackage copy("baked");
  copy.replace("\"device\": \"cpu\"", "\"device\": \"quantum\"");
  refuse_package(copy.metadata(), {"'quantum'", "'cpu'"});
}

TEST(BadPackages, ForGPUsThatAreNotThere)
{
  if (at::hasCUDA())
    GTEST_SKIP() << "there is a GPU";
  CopiedPackage copy("baked");
  copy.replace("\"device\": \"cpu\"", "\"device\": \"cuda\"");
  refuse_package(copy.metadata(), {"'cuda'", "this torch"});
}

TEST(BadPackages, AnotherTorch)
{
  CopiedPackage copy("baked");
  copy.replace("\"torch\": \"2.", "\"torch\": \"1.");
  refuse_package(copy.metadata(), {"compiled with torch 1.", "compile the model again"});
}

TEST(BadPackages, UnknownInstructionSet)
{
  CopiedPackage copy("baked");
  auto text = CopiedPackage::read(copy.metadata());
  const auto at = text.find("\"isa\": \"") + 8;
  text.replace(at, text.find('"', at) - at, "avx9000");
  CopiedPackage::write(copy.metadata(), CopiedPackage::sealed(text));
  refuse_package(copy.metadata(), {"'avx9000'"});
}

/// For a process of its own: prints the error of loading a package, ends with status 3 if there is one.
[[noreturn]] void load_and_exit(const std::filesystem::path & metadata)
{
  try
  {
    const Model model(metadata);
  }
  catch (const FatalError & error)
  {
    std::fputs(error.what(), stderr);
    ::_exit(3);
  }
  ::_exit(0);
}

// ATen reads its environment once, so the poorer processor needs a process of its own.
TEST(BadPackagesDeathTest, InstructionSetThatTheCpuLacks)
{
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  CopiedPackage copy("baked");
  auto text = CopiedPackage::read(copy.metadata());
  const auto at = text.find("\"isa\": \"") + 8;
  text.replace(at, text.find('"', at) - at, "avx512");
  CopiedPackage::write(copy.metadata(), CopiedPackage::sealed(text));
  ::setenv("ATEN_CPU_CAPABILITY", "default", 1);
  EXPECT_EXIT(load_and_exit(copy.metadata()), testing::ExitedWithCode(3),
              "avx512 instructions, which this CPU lacks");
  ::unsetenv("ATEN_CPU_CAPABILITY");
}

// -- stubs
// -----------------------------------------------------------------------------------------------------------

TEST(Stubs, NoSuchModelOrFile)
{
  expect_error<FatalError>([] { load_model(test::stub("baked"), "elastcity"); },
                           {"elasticity_aoti.i", "no model 'elastcity'", "did you mean 'elasticity'?"});
  expect_error<FatalError>([] { load_model("/no/such/stub.i", "elasticity"); },
                           {"/no/such/stub.i", "no such file"});
}

TEST(Stubs, NotACompiledModel)
{
  CopiedPackage copy("baked");
  CopiedPackage::write(copy.stub(),
                       "[Models]\n  [elasticity]\n    type = LinearIsotropicElasticity\n  []\n[]\n");
  expect_error<FatalError>(
      [&] { load_model(copy.stub(), "elasticity"); },
      {"elasticity_aoti.i:2", "[Models/elasticity]", "'LinearIsotropicElasticity'", "AOTIModel"});
  CopiedPackage::write(copy.stub(), "[Models]\n  [elasticity]\n    type = AOTIModel\n  []\n[]\n");
  expect_error<FatalError>([&] { load_model(copy.stub(), "elasticity"); },
                           {"[Models/elasticity]", "'artifact_path'"});
  CopiedPackage::write(copy.stub(), "[Models\n");
  expect_error<FatalError>([&] { load_model(copy.stub(), "elasticity"); }, {"elasticity_aoti.i"});
}

TEST(Stubs, AMovedFolderIsFoundBesideItsStub)
{
  CopiedPackage copy("promoted");
  CopiedPackage::write(
      copy.stub(),
      "[Models]\n  [elasticity]\n    type = AOTIModel\n    artifact_path = '/gone/elasticity'\n  []\n[]\n");
  const auto strain = at::rand({3, 6}, float64());
  test::expect_close(load_model(copy.stub(), "elasticity").forward({{"strain", strain}}).at("stress"),
                     test::hooke(strain));
  std::filesystem::remove_all(copy.root() / "elasticity");
  expect_error<FatalError>(
      [&] { load_model(copy.stub(), "elasticity"); },
      {"'elasticity'", "/gone/elasticity/cpu/elasticity_meta.json", copy.root().string()});
}

/// Replaces the first occurrence of a text in a file.
void edit(const std::filesystem::path & path, const std::string & from, const std::string & to)
{
  auto text = CopiedPackage::read(path);
  const auto at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  CopiedPackage::write(path, text.replace(at, from.size(), to));
}

/// What the package that a stub leads to has as the value of E.
double modulus(const std::filesystem::path & stub)
{
  return load_model(stub, "elasticity").named_parameters().at("E").item<double>();
}

TEST(Stubs, ThePackageBesideAStubComesFirstIfItIsItsOwn)
{
  CopiedPackage moved("promoted");
  moved.replace("200000.0", "70000.0"); // as if it had been made from other numbers
  EXPECT_EQ(modulus(test::stub("promoted")), 200e3);
  EXPECT_EQ(modulus(moved.stub()), 70e3) << "the package of the old place";

  // made for another stub, it is a folder that has the same name by chance
  CopiedPackage strange("promoted");
  strange.replace("200000.0", "70000.0");
  strange.replace("\"identity\": \"", "\"identity\": \"0");
  EXPECT_EQ(modulus(strange.stub()), 200e3);

  // an artifact_path changed by hand is meant
  CopiedPackage pointed("promoted"), target("promoted");
  target.replace("200000.0", "1000.0");
  edit(pointed.stub(), test::package_folder("promoted") / "elasticity", target.root() / "elasticity");
  EXPECT_EQ(modulus(pointed.stub()), 1000);

  // stubs of earlier versions have no tie
  CopiedPackage old("promoted");
  edit(old.stub(), "package =", "# package =");
  EXPECT_EQ(modulus(old.stub()), 200e3);
}

TEST(Stubs, NameTheDevicesThereAre)
{
  CopiedPackage copy("promoted");
  CopiedPackage::write(
      copy.stub(),
      "[Models]\n  [elasticity]\n    type = AOTIModel\n    artifact_path = 'elasticity'\n  []\n[]\n");
  std::filesystem::rename(copy.folder(), copy.root() / "elasticity" / "cuda");
  expect_error<FatalError>([&] { load_model(copy.stub(), "elasticity"); }, {"'cpu'", "compiled for: 'cuda'"});
  EXPECT_EQ(load_model(copy.stub(), "elasticity", nullptr, "cuda").name(),
            "elasticity"); // it says cpu inside
}

// -- loading
// ---------------------------------------------------------------------------------------------------------

std::size_t entries_of(const std::filesystem::path & folder)
{
  std::size_t count = 0;
  for (const auto & entry : std::filesystem::directory_iterator(folder))
    count += entry.exists() || true;
  return count;
}

std::size_t open_files()
{
  return entries_of("/proc/self/fd");
}

TEST(Loading, OpensTheSameGraphOnce)
{
  const Model first(package("baked"));
  const auto before = open_files();
  const Model second(package("baked"));
  EXPECT_EQ(open_files(), before);
}

TEST(Loading, LeavesNoFileBehind)
{
  const auto folder = std::filesystem::temp_directory_path() / "neml2-unpack-test";
  std::filesystem::create_directory(folder);
  ::setenv("NEML2_UNPACK_DIR", folder.c_str(), 1);
  {
    CopiedPackage copy("plain");
    const Model model(copy.metadata());
    EXPECT_EQ(entries_of(folder), 0u) << "not even while it is loaded";
    const auto strain = at::rand({3, 6}, float64());
    test::expect_close(model.forward({{"strain", strain}}).at("stress"), test::hooke(strain));
  }
  ::unsetenv("NEML2_UNPACK_DIR");
  EXPECT_EQ(entries_of(folder), 0u);
  std::filesystem::remove(folder);
}

TEST(Loading, OutlivesItsPackage)
{
  auto copy = std::make_unique<CopiedPackage>("promoted");
  const Model model(copy->metadata());
  copy.reset();
  const auto strain = at::rand({3, 6}, float64());
  test::expect_close(model.forward({{"strain", strain}}).at("stress"), test::hooke(strain));
}

TEST(Loading, SaysWhereItCannotUnpack)
{
  ::setenv("NEML2_UNPACK_DIR", "/no/such/folder", 1);
  expect_error<FatalError>([] { SharedObject("code", "x.pt2"); },
                           {"x.pt2", "/no/such/folder", "No such file"});
  ::unsetenv("NEML2_UNPACK_DIR");
  expect_error<FatalError>([] { SharedObject("this is no code", "x.pt2"); }, {"cannot load", "x.pt2"});
}

// A limit on the size of files does to a write what a full disk does.
[[noreturn]] void load_with_a_full_disk()
{
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{4096, 4096};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::setenv("NEML2_UNPACK_DIR", std::filesystem::temp_directory_path().c_str(), 1);
  load_and_exit(package("baked"));
}

TEST(LoadingDeathTest, AFullDiskIsAClearError)
{
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(load_with_a_full_disk(), testing::ExitedWithCode(3),
              "elasticity.pt2: writing it to .* failed \\(File too large\\); free some space");
}

TEST(Loading, IsSafeFromSeveralThreads)
{
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 6; t++)
    threads.emplace_back(
        [&, t]
        {
          for (int i = 0; i < 5; i++)
          {
            const char * names[] = {"baked", "promoted", "plain"};
            const Model model(package(names[(t + i) % 3]));
            const auto strain = at::full({20, 6}, 1e-3, float64());
            if (!at::allclose(model.forward({{"strain", strain}}).at("stress"), test::hooke(strain)))
              wrong++;
          }
        });
  for (auto & thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace neml2::aoti
