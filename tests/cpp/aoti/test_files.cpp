// SPDX-License-Identifier: MIT
#include "neml2/aoti/exceptions.h"
#include "package/Archive.h"
#include "package/NearMatch.h"
#include "package/Sha256.h"
#include "packages.h"
#include "zip.h"

namespace neml2::aoti
{
namespace
{

using test::expect_error;
using test::zip;

// FIPS 180-4 examples, and lengths around the padding's boundaries.
TEST(Sha256, MatchesThePublishedExamples)
{
  const auto of = [](const std::string & text) { return sha256(text.data(), text.size()); };
  EXPECT_EQ(of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(of(std::string(55, 'a')), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  EXPECT_EQ(of(std::string(64, 'a')), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST(NearMatch, SuggestsTheNearestNameOrNone)
{
  EXPECT_EQ(did_you_mean("strian", {"stress", "strain"}), ", did you mean 'strain'?");
  EXPECT_EQ(did_you_mean("temperature", {"stress", "strain"}), "");
  EXPECT_EQ(did_you_mean("x", {}), "");
  EXPECT_EQ(quoted_list({"a", "b"}), "'a', 'b'");
  EXPECT_EQ(quoted_list({}), "none");
}

TEST(Archive, FindsTheOneSharedObject)
{
  const auto archive = zip({{"m/version", "1"}, {"m/model.so", "code"}, {"m/x.json", "{}"}});
  EXPECT_EQ(find_shared_object(archive, "a.pt2"), "code");
}

// The published check value of CRC-32, and the empty text.
TEST(Archive, ChecksumIsThatOfZip)
{
  EXPECT_EQ(crc32("123456789"), 0xcbf43926u);
  EXPECT_EQ(crc32(""), 0u);
}

TEST(Archive, RefusesWhatIsNoSuchArchive)
{
  const auto refuse = [](const std::string & archive, const std::string & reason)
  {
    expect_error<FatalError>([&] { find_shared_object(archive, "folder/a.pt2"); }, {"folder/a.pt2", reason});
  };
  refuse("", "no zip archive, or truncated");
  refuse("not a zip archive, but long enough to be one", "no zip archive, or truncated");
  refuse(zip({{"m/version", "1"}}), "holds no shared object");
  refuse(zip({{"m/a.so", "1"}, {"m/b.so", "2"}}), "more than once");
  refuse(zip({{"m/a.so", "1"}}, 8), "compressed");
  const auto whole = zip({{"m/a.so", std::string(100, 'x')}});
  refuse(whole.substr(0, whole.size() - 30), "truncated");
  auto damaged = whole;
  damaged[50] = 'y';
  refuse(damaged, "does not have its checksum");
  damaged = whole;
  damaged[0] = 'X';
  refuse(damaged, "not where its table of contents says");
}

TEST(Archive, NoTruncationOrChangedByteLeadsOutOfBounds)
{
  const auto whole = zip({{"m/version", "1"}, {"m/a.so", "some code"}});
  for (std::size_t size = 0; size < whole.size(); size++)
    EXPECT_THROW(find_shared_object(whole.substr(0, size), "a.pt2"), FatalError);
  for (std::size_t i = 0; i < whole.size(); i++)
    for (const char value : {'\0', '\x7f', '\xff'})
    {
      auto damaged = whole;
      damaged[i] = value;
      try
      {
        (void)find_shared_object(damaged, "a.pt2");
      }
      catch (const FatalError &)
      {
      }
    }
}

TEST(ReadFile, NamesThePathAndTheReason)
{
  expect_error<FatalError>([] { read_file("/no/such/file"); }, {"/no/such/file", "No such file"});
}

} // namespace
} // namespace neml2::aoti
