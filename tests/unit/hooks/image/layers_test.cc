#include "hooks/image/layers.h"

#include "tests/unit/hooks/image/image_fixture.h"

namespace casemate::image {
namespace {

class LayersTest : public testing::Test {
 protected:
  Result<std::vector<Change>> read(const std::string& bytes, const std::string& diff_id,
                                   const std::string& type = "tar", LayerLimits limits = {}) {
    const Json blob = layout_.blob("application/vnd.oci.image.layer.v1." + type, bytes);
    LayerBudget budget(limits);
    return read_layer(layout_.fd(), *parse_descriptor(*JsonObject::of(blob)), diff_id, budget);
  }
  Result<std::vector<Change>> read(const TarBuilder& tar) {
    return read(tar.build(), decompressed_digest(tar));
  }
  Result<Tree> tree(const std::vector<TarBuilder>& tars) {
    Tree out;
    for (const auto& tar : tars) {
      auto changes = TRY(read(tar));
      TRY(out.apply(std::move(changes)));
    }
    return out;
  }
  static std::string paths(const Tree& tree) {
    std::string out;
    for_each(tree, [&](const std::string& path, const Entry&) { out += path + " "; });
    return out;
  }
  TempDir dir_;
  Layout layout_{dir_.path("layout")};
};

TEST_F(LayersTest, EveryKindOfEntry) {
  const std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00", 12);
  const auto made =
      tree({TarBuilder()
                .dir("./")
                .dir("bin/")
                .file("bin/su", "setuid", 04755)
                .symlink("bin/sh", "su")
                .hardlink("bin/su2", "bin/su")
                .add({.path = "dev/null", .mode = 0666, .type = AE_IFCHR, .device = makedev(1, 3)})
                .add({.path = "run/pipe", .mode = 0600, .type = AE_IFIFO})
                .add({.path = "bin/ping",
                      .content = "p",
                      .mode = 0755,
                      .uid = 7,
                      .gid = 8,
                      .capability = capability})});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(paths(*made), "/bin /bin/ping /bin/sh /bin/su /bin/su2 /dev /dev/null /run /run/pipe ");
  EXPECT_EQ(made->size(), 9U);
  const Entry& su = made->find("bin/su")->entry;
  EXPECT_EQ(su.mode, 04755U);
  EXPECT_EQ(su.size, 6U);
  EXPECT_EQ(digest_text(su.sha256), digest_of("setuid"));
  EXPECT_EQ(made->find("bin/su2")->entry.sha256, su.sha256);
  EXPECT_EQ(made->find("bin/sh")->entry.target, "su");
  EXPECT_EQ(made->find("dev/null")->entry.device, makedev(1, 3));
  EXPECT_TRUE(made->find("dev")->entry.implied);
  EXPECT_FALSE(made->find("bin")->entry.implied);
  EXPECT_EQ(made->find("run/pipe")->entry.type, FileType::fifo);
  const Entry& ping = made->find("bin/ping")->entry;
  EXPECT_EQ(ping.capability, capability);
  EXPECT_EQ(ping.uid, 7U);
  EXPECT_EQ(ping.gid, 8U);
}

TEST_F(LayersTest, Compressions) {
  const auto tar = TarBuilder().file("a", std::string(100000, 'x'));
  EXPECT_EQ(rule_of(read(tar.build(Pack::gzip), decompressed_digest(tar), "tar+gzip")), "");
  EXPECT_EQ(rule_of(read(tar.build(Pack::zstd), decompressed_digest(tar), "tar+zstd")), "");
  EXPECT_EQ(rule_of(read(tar.build(), decompressed_digest(tar))), "");
  EXPECT_EQ(rule_of(read(tar.build(), digest_of("another"))), "image.diff-id");
  // The media type decides, not what the bytes look like.
  EXPECT_NE(rule_of(read(tar.build(Pack::gzip), decompressed_digest(tar), "tar")), "");
  EXPECT_NE(rule_of(read(tar.build(Pack::zstd), decompressed_digest(tar), "tar+gzip")), "");
}

TEST_F(LayersTest, BytesAfterTheTarsEndCount) {
  const auto tar = TarBuilder().file("a", "x");
  const std::string more = tar.build() + std::string(5000, 'z');
  EXPECT_EQ(rule_of(read(more, decompressed_digest(tar))), "image.diff-id");
  EXPECT_EQ(rule_of(read(more, digest_of(more))), "");
}

TEST_F(LayersTest, WhiteoutsHideLowerLayersOnly) {
  const auto base = TarBuilder().dir("d").file("d/a", "1").file("d/b", "2").file("keep", "3");
  const auto one = TarBuilder().file("d/.wh.a", "").file("d/c", "4");
  EXPECT_EQ(paths(*tree({base, one})), "/d /d/b /d/c /keep ");
  // An opaque folder's own new files stay, wherever the marker stands in the tar.
  const auto opaque = TarBuilder().file("d/new", "5").file("d/.wh..wh..opq", "").file("d/b", "6");
  const auto merged = tree({base, opaque});
  EXPECT_EQ(paths(*merged), "/d /d/b /d/new /keep ");
  EXPECT_EQ(digest_text(merged->find("d/b")->entry.sha256), digest_of("6"));
  EXPECT_EQ(paths(*tree({base, TarBuilder().file(".wh.d", "").file("x/.wh.y", "")})), "/keep ");
  EXPECT_EQ(paths(*tree({base, TarBuilder().file("d", "now a file")})), "/d /keep ");
  for (const char* name : {".wh.", ".wh...", ".wh.."})
    EXPECT_EQ(rule_of(read(TarBuilder().file(name, ""))), "image.layer-entry") << name;
  EXPECT_EQ(rule_of(read(TarBuilder().file(".wh..wh.plnk", ""))), "image.layer-entry");
}

TEST_F(LayersTest, HardLinksAcrossLayers) {
  const auto base = TarBuilder().file("a", "1");
  EXPECT_EQ(paths(*tree({base, TarBuilder().hardlink("b", "a")})), "/a /b ");
  EXPECT_EQ(rule_of(tree({base, TarBuilder().hardlink("b", "c")})), "image.layer");
  EXPECT_EQ(rule_of(tree({base, TarBuilder().file(".wh.a", "").hardlink("b", "a")})),
            "image.layer");
  EXPECT_EQ(rule_of(tree({TarBuilder().dir("d").hardlink("b", "d")})), "image.layer");
  EXPECT_EQ(rule_of(tree({base, TarBuilder().hardlink("b", "../a")})), "image.layer-path");
}

TEST_F(LayersTest, PathsStayInside) {
  for (const char* name : {"../x", "a/../../x", "/etc/passwd", "a/..", ".."})
    EXPECT_EQ(rule_of(read(TarBuilder().file(name, "x"))), "image.layer-path") << name;
  EXPECT_EQ(rule_of(read(TarBuilder().file(std::string(300, 'n'), "x"))), "image.layer-path");
  EXPECT_EQ(paths(*tree({TarBuilder().file("./a//b", "x")})), "/a /a/b ");
  EXPECT_EQ(paths(*tree({TarBuilder().file("new\nline", "x")})), "/new\nline ");
}

TEST_F(LayersTest, ParentsThatAreLinksAreFollowedInsideTheImage) {
  const auto base = TarBuilder().dir("usr").dir("usr/lib").symlink("lib", "usr/lib");
  EXPECT_EQ(paths(*tree({base, TarBuilder().file("lib/x", "1")})),
            "/lib /usr /usr/lib /usr/lib/x ");
  const auto outside = TarBuilder().symlink("up", "../../../../etc").symlink("abs", "/usr");
  EXPECT_EQ(paths(*tree({base, outside, TarBuilder().file("up/x", "1").file("abs/y", "2")})),
            "/abs /etc /etc/x /lib /up /usr /usr/lib /usr/y ");
  EXPECT_EQ(rule_of(tree({TarBuilder().symlink("l", "l").file("l/x", "1")})), "image.layer");
  EXPECT_EQ(rule_of(tree({TarBuilder().file("f", "1").file("f/x", "1")})), "image.layer");
}

TEST_F(LayersTest, OddEntriesAreRefused) {
  EXPECT_EQ(rule_of(read(TarBuilder().add({.path = "a", .uid = 4294967295}))), "image.layer-entry");
  EXPECT_EQ(rule_of(read(TarBuilder().add({.path = "a", .uid = 4294967296}))), "image.layer-entry");
  EXPECT_EQ(rule_of(tree({TarBuilder().file(".", "")})), "image.layer");
}

TEST_F(LayersTest, NamesInUtf8AreKept) {
  EXPECT_EQ(paths(*tree({TarBuilder().file("größe-Ω", "x").symlink("l", "größe-Ω")})),
            "/größe-Ω /l ");
}

TEST_F(LayersTest, BombsAreBounded) {
  const auto zeros = TarBuilder().file("z", std::string(1 << 20, '\0'));
  EXPECT_EQ(rule_of(read(zeros.build(Pack::gzip), decompressed_digest(zeros), "tar+gzip",
                         {.bytes = 1 << 19})),
            "image.limit");
  TarBuilder many;
  for (int i = 0; i < 20; ++i) many.dir("d" + std::to_string(i));
  EXPECT_EQ(rule_of(read(many.build(), decompressed_digest(many), "tar", {.entries = 19})),
            "image.limit");
  EXPECT_EQ(rule_of(read(many.build(), decompressed_digest(many), "tar", {.entries = 20})), "");
}

TEST_F(LayersTest, HolesAreZerosAndCount) {
  const std::string sparse = dir_.path("sparse");
  write_text(sparse, "");
  ASSERT_EQ(::truncate(sparse.c_str(), 3 << 20), 0);
  ASSERT_EQ(run("printf end >> " + sparse), 0);
  ASSERT_EQ(
      run("tar -C " + dir_.path() + " --sparse --format=pax -cf " + dir_.path("t") + " sparse"), 0);
  const std::string tar = read_text(dir_.path("t"));
  ASSERT_LT(tar.size(), 100000U);
  const auto changes = read(tar, digest_of(tar));
  ASSERT_TRUE(changes) << changes.error().message();
  EXPECT_EQ(digest_text(changes->front().entry.sha256), digest_of(read_text(sparse)));
  EXPECT_EQ(rule_of(read(tar, digest_of(tar), "tar", {.bytes = 1 << 20})), "image.limit");
}

TEST_F(LayersTest, TruncationAndMutationAreNeverAccepted) {
  const auto tar = TarBuilder().dir("d").file("d/f", std::string(3000, 'q')).symlink("l", "d/f");
  const std::string digest = decompressed_digest(tar);
  std::mt19937 random(5);
  for (const auto& [pack, type] :
       {std::pair{Pack::none, "tar"}, {Pack::gzip, "tar+gzip"}, {Pack::zstd, "tar+zstd"}}) {
    const std::string good = tar.build(pack);
    for (int i = 0; i < 700; ++i) {
      const std::string changed = mutate(good, random);
      const auto changes = read(changed, digest, type);
      // A compressor's header has bytes that mean nothing; the tar is then the same.
      if (!changes) continue;
      EXPECT_EQ(changes->size(), 3U);
      EXPECT_TRUE(pack != Pack::none || changed == good);
    }
  }
}

TEST_F(LayersTest, MutatedTarsWithTheirOwnDigestNeverCrash) {
  const std::string good = TarBuilder()
                               .dir("d")
                               .file("d/f", "content")
                               .symlink("l", "d/f")
                               .hardlink("h", "d/f")
                               .file("d/.wh.x", "")
                               .build();
  std::mt19937 random(9);
  for (int i = 0; i < 1500; ++i) {
    std::string changed = good;
    for (int n = 0; n < 3; ++n)
      if (!changed.empty()) changed = mutate(changed, random);
    auto changes = read(changed, digest_of(changed));
    if (!changes) continue;
    Tree tree;
    (void)tree.apply(std::move(*changes));  // any verdict, but no crash
    for_each(tree, [](const std::string& path, const Entry&) {
      EXPECT_EQ(path.find("/../"), std::string::npos);
    });
  }
}

}  // namespace
}  // namespace casemate::image
