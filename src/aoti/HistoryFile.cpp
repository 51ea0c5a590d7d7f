// SPDX-License-Identifier: MIT
#include "aoti/HistoryFile.h"

#include "neml2/aoti/exceptions.h"
#include "package/Archive.h"
#include "package/Sha256.h"

#include <ATen/Functions.h>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace neml2::aoti
{
namespace
{

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

constexpr std::string_view magic = "neml2his";
constexpr std::size_t digest_size = 64;
constexpr std::size_t prefix_size = magic.size() + 2 * sizeof(std::uint32_t);
constexpr std::size_t most_axes = 16;

void append(std::string & content, std::uint32_t number)
{
  content.append(reinterpret_cast<const char *>(&number), sizeof number);
}

std::uint32_t number_at(const std::string & content, std::size_t place)
{
  std::uint32_t number = 0;
  std::memcpy(&number, content.data() + place, sizeof number);
  return number;
}

/// A file beside the one that it is to replace, removed with the object.
class Replacement
{
public:
  explicit Replacement(const std::filesystem::path & path)
      : _path(path), _new(path.parent_path() / ("." + path.filename().string() + "." + unique() + ".new"))
  {
    constexpr mode_t ordinary = 0666; // less what the process does not allow
    _descriptor = ::open(_new.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, ordinary);
    if (_descriptor < 0)
      fail();
  }
  ~Replacement()
  {
    if (_descriptor >= 0)
      ::close(_descriptor);
    if (!_new.empty())
      ::unlink(_new.c_str());
  }
  Replacement(const Replacement &) = delete;
  Replacement & operator=(const Replacement &) = delete;

  void write(std::string_view content) const
  {
    while (!content.empty())
    {
      const auto written = ::write(_descriptor, content.data(), content.size());
      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0)
        fail();
      content.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  /// Waits until the content is on the disk, and puts it in place.
  void commit()
  {
    if (::fsync(_descriptor) != 0 || ::rename(_new.c_str(), _path.c_str()) != 0)
      fail();
    _new.clear();
  }

private:
  /// What no other writer has, in this process or another.
  std::string unique() const
  {
    return std::to_string(::getpid()) + "." + std::to_string(reinterpret_cast<std::uintptr_t>(this));
  }

  [[noreturn]] void fail() const
  {
    throw FatalError("cannot write the history " + _path.string() + ": " + std::strerror(errno));
  }

  std::filesystem::path _path;
  std::string _new;
  int _descriptor = -1;
};

/// Takes arrays out of the content one after the other.
HistoryFile parse(const std::string & content)
{
  const auto described = number_at(content, magic.size() + sizeof(std::uint32_t));
  auto rest = std::string_view(content).substr(prefix_size, content.size() - prefix_size - digest_size);
  if (described > rest.size())
    throw std::invalid_argument("it ends within its description");
  const auto description = nlohmann::json::parse(rest.substr(0, described));
  rest.remove_prefix(described);
  const auto dtype = description.at("dtype").get<std::string>();
  if (dtype != "float64" && dtype != "float32")
    throw std::invalid_argument("its dtype is '" + dtype + "', expected float64 or float32");
  HistoryFile file{description.at("model").get<std::string>(),
                   dtype == "float64" ? at::kDouble : at::kFloat,
                   description.at("points").get<std::int64_t>(),
                   {}};
  for (const auto & entry : description.at("arrays"))
  {
    const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
    const auto most = static_cast<std::int64_t>(rest.size());
    auto bytes = static_cast<std::int64_t>(c10::elementSize(file.dtype));
    if (shape.size() > most_axes)
      throw std::invalid_argument("an array of " + std::to_string(shape.size()) + " axes");
    for (const auto size : shape)
    {
      if (size < 0 || (size > 0 && bytes > most / size))
        throw std::invalid_argument("it ends before its arrays do");
      bytes *= size;
    }
    if (bytes > most)
      throw std::invalid_argument("it ends before its arrays do");
    auto value = at::empty(shape, at::device(at::kCPU).dtype(file.dtype));
    if (bytes > 0)
      std::memcpy(value.mutable_data_ptr(), rest.data(), static_cast<std::size_t>(bytes));
    rest.remove_prefix(static_cast<std::size_t>(bytes));
    file.arrays.push_back(
        {entry.at("name").get<std::string>(), entry.at("steps").get<std::int64_t>(), std::move(value)});
  }
  if (!rest.empty())
    throw std::invalid_argument("it goes on behind its last array");
  return file;
}

} // namespace

void HistoryFile::write(const std::filesystem::path & path) const
{
  nlohmann::json description = {{"model", model},
                                {"dtype", dtype == at::kDouble ? "float64" : "float32"},
                                {"points", points},
                                {"arrays", nlohmann::json::array()}};
  for (const auto & [name, steps, value] : arrays)
    description["arrays"].push_back({{"name", name}, {"steps", steps}, {"shape", value.sizes().vec()}});
  const auto text = description.dump();
  std::string content(magic);
  append(content, version);
  append(content, static_cast<std::uint32_t>(text.size()));
  content += text;
  for (const auto & array : arrays)
  {
    const auto plain = array.value.cpu().contiguous();
    if (plain.numel() > 0)
      content.append(static_cast<const char *>(plain.const_data_ptr()), plain.nbytes());
  }
  Replacement file(path);
  file.write(content);
  file.write(sha256(content.data(), content.size()));
  file.commit();
}

HistoryFile HistoryFile::read(const std::filesystem::path & path)
{
  const auto content = read_file(path);
  try
  {
    if (content.size() < prefix_size + digest_size || !content.starts_with(magic))
      throw std::invalid_argument("it is no history of material points");
    if (const auto found = number_at(content, magic.size()); found != version)
      throw std::invalid_argument("its version is " + std::to_string(found) +
                                  ", this library reads version " + std::to_string(version));
    const auto size = content.size() - digest_size;
    if (sha256(content.data(), size) != std::string_view(content).substr(size))
      throw std::invalid_argument("its checksum does not hold: it is damaged or was cut short");
    return parse(content);
  }
  catch (const std::exception & error) // of the JSON as well
  {
    throw FatalError(path.string() + " cannot be read: " + error.what());
  }
}

} // namespace neml2::aoti
