// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@Suite struct UserDatabaseTests {
    let scratch: Scratch
    let database: UserDatabase

    init() throws {
        scratch = try Scratch()
        let passwd = try scratch.write(
            """
            +::::::
            +@admins::::::
            -eve::0:0:::
            # a comment

            broken line
            nouid:x::100::/:/bin/sh
            root:x:0:0:root:/root:/bin/bash
            anna:x:1000:1000:Anna:/home/anna:/bin/sh
            second:x:1000:1001::/:/bin/sh
            last:x:4000000000:20:no newline:/:/bin/sh
            """, to: "passwd")
        let many = (1...3000).map { "user\($0)" }.joined(separator: ",")
        let group = try scratch.write(
            """
            +:::
            root:x:0:
            users:x:100:bob,anna
            crowd:x:200:\(many),anna
            again:x:100:anna
            anna:x:1000:anna
            none:x:300:annabel,ann
            tail:x:301:anna
            """, to: "group")
        database = UserDatabase(passwd: passwd, group: group)
    }

    @Test func usersByNameAndById() throws {
        #expect(try #require(database.user(named: "anna")) == (1000, 1000))
        #expect(try #require(database.user(named: "last")) == (4_000_000_000, 20))
        #expect(try #require(database.user(id: 1000)) == ("anna", 1000))
        #expect(try #require(database.user(id: 0)) == ("root", 0))
        #expect(database.user(named: "nobody") == nil)
        #expect(database.user(id: 77) == nil)
    }

    /// The C library reads these lines as uid 0.
    @Test(arguments: ["", "+", "+@admins", "-eve", "eve", "# a comment", "broken line", "nouid", "root\0", "roo"])
    func whatIsNoAccount(_ name: String) {
        #expect(database.user(named: name) == nil)
        #expect(database.group(named: name) == nil)
    }

    @Test func aLongLineHidesNothing() {
        #expect(database.group(named: "users") == 100)
        #expect(database.group(named: "crowd") == 200)
        #expect(database.group(named: "tail") == 301)
    }

    @Test func supplementaryGroupsAreThoseOfInitgroups() {
        #expect(database.supplementaryGroups(of: "anna", primary: 1000) == [1000, 100, 200, 301])
        #expect(database.supplementaryGroups(of: "user2999", primary: 5) == [5, 200])
        #expect(database.supplementaryGroups(of: "nobody", primary: 7) == [7])
    }

    @Test func withoutFilesNobodyIsKnown() {
        let empty = UserDatabase(passwd: scratch.file("none"), group: scratch.file("none"))
        #expect(empty.user(named: "root") == nil)
        #expect(empty.group(named: "root") == nil)
        #expect(empty.supplementaryGroups(of: "root", primary: 0) == [0])
    }

    @Test func theMachinesOwnFiles() throws {
        #expect(try #require(UserDatabase().user(named: "root")) == (0, 0))
        #expect(try #require(UserDatabase().user(id: 0)).name == "root")
        #expect(UserDatabase().group(named: "root") == 0)
    }
}
