// SPDX-License-Identifier: MIT
/**
 * Reads damaged metadata, archives and stubs: each must be refused with an error of this library, or
 * accepted.
 *
 *     fuzz_parsers FOLDER CASES [FIRST]
 *
 * FOLDER holds packages to start from; FIRST is the number of the first case, which is all that a case
 * depends on. Meant for a build with sanitizers; see docs/testing.md.
 */
#include "cpp/aoti/zip.h"
#include "neml2/aoti/exceptions.h"
#include "package/Archive.h"
#include "package/Metadata.h"
#include "package/Sha256.h"
#include "package/Stub.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
extern "C" void __sanitizer_set_death_callback(void (*)());
#endif

namespace
{

using namespace neml2::aoti;
using nlohmann::json;
namespace fs = std::filesystem;

std::uint64_t current_case = 0;
std::mt19937_64 bits;

std::size_t pick(std::size_t n)
{
  return n ? static_cast<std::size_t>(bits() % n) : 0;
}

/// Some bits, bytes or pieces of a text changed.
void damage(std::string & text)
{
  static const std::array<const char *, 12> words = {
      "0", "-1", "4611686018427387904", "\"", "[]", "{}", "\n", "'", "${x}", "\xff", "=", "\\u0000"};
  for (auto times = pick(4) + 1; times > 0 && !text.empty(); times--)
  {
    const auto at = pick(text.size());
    const auto length = pick(std::min<std::size_t>(text.size() - at, 40)) + 1;
    switch (pick(6))
    {
    case 0:
      text[at] = static_cast<char>(text[at] ^ (1 << pick(8)));
      break;
    case 1:
      text[at] = static_cast<char>(bits());
      break;
    case 2:
      text.resize(at);
      break;
    case 3:
      text.erase(at, length);
      break;
    case 4:
      text.insert(pick(text.size()), text.substr(at, length));
      break;
    case 5:
      text.insert(at, words[pick(words.size())]);
      break;
    }
  }
}

json strange_value()
{
  switch (pick(12))
  {
  case 0:
    return nullptr;
  case 1:
    return bits() % 2 == 0;
  case 2:
    return -1;
  case 3:
    return 0;
  case 4:
    return std::int64_t(1) << pick(63);
  case 5:
    return std::uint64_t(bits());
  case 6:
    return 1e300;
  case 7:
    return 0.5;
  case 8:
    return "inf";
  case 9:
    return json::array();
  case 10:
    return json::object();
  default:
    return "../x";
  }
}

/// Everything inside a value.
void collect(json & value, std::vector<json *> & all)
{
  all.push_back(&value);
  if (value.is_structured())
    for (auto & item : value)
      collect(item, all);
}

/// One part of the JSON changed: a number a little or a lot, another part in its place, a member lost or
/// twice.
void mutate(json & root)
{
  std::vector<json *> all;
  collect(root, all);
  json & target = *all[pick(all.size())];
  switch (pick(5))
  {
  case 0:
    target = strange_value();
    break;
  case 1:
    target = json(*all[pick(all.size())]);
    break;
  case 2:
    if (target.is_number_integer())
      target = target.get<std::int64_t>() + static_cast<std::int64_t>(pick(7)) - 3;
    break;
  case 3:
    if (target.is_array() && !target.empty())
      target.erase(target.begin() + static_cast<std::ptrdiff_t>(pick(target.size())));
    else if (target.is_object() && !target.empty())
      target.erase(std::next(target.begin(), static_cast<std::ptrdiff_t>(pick(target.size()))).key());
    break;
  case 4:
    if (target.is_array() && !target.empty())
      target.insert(target.begin() + static_cast<std::ptrdiff_t>(pick(target.size())),
                    json(target[pick(target.size())]));
    break;
  }
}

/// JSON as the compiler writes it, with a hash of itself.
std::string sealed(json root)
{
  root.erase("sha256");
  auto text = "{\n \"sha256\": \"" + std::string(64, '0') + "\",\n" + root.dump(1).substr(2);
  return text.replace(text.find(std::string(64, '0')), 64, sha256(text.data(), text.size()));
}

std::string read_all(const fs::path & path)
{
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

/// What cases start from.
struct Corpus
{
  std::vector<std::string> metadata, stubs;
  std::vector<json> parsed;
  fs::path scratch;

  explicit Corpus(const fs::path & folder)
      : scratch(fs::temp_directory_path() / ("neml2-fuzz-" + std::to_string(::getpid()) + ".i"))
  {
    std::vector<fs::path> files;
    for (const auto & entry : fs::recursive_directory_iterator(folder))
      files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto & file : files)
    {
      const auto name = file.filename().string();
      if (name.ends_with("_meta.json"))
      {
        metadata.push_back(read_all(file));
        parsed.push_back(json::parse(metadata.back()));
        (void)Metadata::parse(metadata.back(), file);
      }
      else if (name.ends_with("_aoti.i"))
        stubs.push_back(read_all(file));
    }
    if (metadata.empty() || stubs.empty())
      throw std::runtime_error("no packages in " + folder.string());
  }
  ~Corpus() { fs::remove(scratch); }
};

void fuzz_metadata(const Corpus & corpus)
{
  const auto which = pick(corpus.metadata.size());
  if (pick(4) == 0)
  {
    auto text = corpus.metadata[which];
    damage(text);
    (void)Metadata::parse(text, "meta.json");
    return;
  }
  auto root = corpus.parsed[which];
  if (pick(4) == 0) // of an earlier version, without a hash
  {
    root["schema"] = 1;
    root.erase("sha256");
    mutate(root);
    (void)Metadata::parse(root.dump(), "meta.json");
    return;
  }
  for (auto times = pick(3) + 1; times > 0; times--)
    mutate(root);
  (void)Metadata::parse(root.is_object() && !root.empty() ? sealed(root) : root.dump(), "meta.json");
}

void fuzz_archive()
{
  static const auto original = test::zip(
      {{"m/version", "1"}, {"m/a.so", std::string(100, 'x')}, {"m/extra/neml2_layout", "generic float64"}});
  auto archive = original;
  if (pick(10) > 0)
    for (auto times = pick(3) + 1; times > 0; times--)
    {
      auto & byte = archive[pick(archive.size())];
      byte = static_cast<char>(byte ^ (1 << pick(8)));
    }
  else
    damage(archive);
  archive.shrink_to_fit(); // no spare room behind it, so that a sanitizer sees the first byte too many
  const auto code = find_member(archive, pick(2) ? ".so" : "/neml2_layout", "graph.pt2");
  if (!code.empty() &&
      (code.data() < archive.data() || code.data() + code.size() > archive.data() + archive.size()))
    throw std::logic_error("a member outside its archive");
}

void fuzz_stub(const Corpus & corpus)
{
  auto text = corpus.stubs[pick(corpus.stubs.size())];
  damage(text);
  std::ofstream(corpus.scratch, std::ios::binary | std::ios::trunc) << text;
  const auto stub = Stub::read(corpus.scratch, "elasticity");
  (void)stub.metadata(corpus.scratch, "elasticity", "cpu");
}

/// What reads a damaged file; whether it was accepted.
bool run_case(const Corpus & corpus, std::uint64_t number)
{
  current_case = number;
  bits.seed(number);
  try
  {
    switch (number % 3)
    {
    case 0:
      fuzz_metadata(corpus);
      break;
    case 1:
      fuzz_archive();
      break;
    case 2:
      fuzz_stub(corpus);
      break;
    }
    return true;
  }
  catch (const FatalError &)
  {
    return false;
  }
}

void say_case()
{
  std::fprintf(stderr, "fuzz_parsers: case %llu; again: fuzz_parsers FOLDER 1 %llu\n",
               static_cast<unsigned long long>(current_case), static_cast<unsigned long long>(current_case));
}

} // namespace

int main(int count, char ** arguments)
try
{
  if (count < 3)
    throw std::runtime_error("usage: fuzz_parsers FOLDER CASES [FIRST]");
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_set_death_callback(say_case);
#endif
  const Corpus corpus(arguments[1]);
  const auto cases = std::strtoull(arguments[2], nullptr, 10);
  const auto first = count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 0;
  std::array<std::uint64_t, 3> accepted{};
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < cases; i++)
  {
    accepted[(first + i) % 3] += run_case(corpus, first + i);
    if ((i + 1) % 100000 == 0)
      std::fprintf(stderr, "%llu of %llu cases, %.0f s\n", static_cast<unsigned long long>(i + 1), cases,
                   std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::printf("%llu cases; accepted: %llu metadata, %llu archives, %llu stubs\n", cases,
              static_cast<unsigned long long>(accepted[0]), static_cast<unsigned long long>(accepted[1]),
              static_cast<unsigned long long>(accepted[2]));
}
catch (const std::exception & error)
{
  std::fprintf(stderr, "fuzz_parsers: %s\n", error.what());
  say_case();
  return 1;
}
