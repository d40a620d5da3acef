// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@Suite struct SocketPathTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test func theFirstThatIsGivenCounts() {
        var environment = ["PROCCTL_SOCKET": "/e/s", "XDG_RUNTIME_DIR": "/run/user/5"]
        #expect(SocketPath.resolve(option: "o", environment: environment, uid: 5) == "o")
        #expect(SocketPath.resolve(option: nil, environment: environment, uid: 5) == "/e/s")
        environment["PROCCTL_SOCKET"] = ""
        #expect(SocketPath.resolve(option: nil, environment: environment, uid: 5) == "/run/user/5/procctl/socket")
        environment["XDG_RUNTIME_DIR"] = "relative"
        #expect(SocketPath.resolve(option: nil, environment: environment, uid: 5) == "/tmp/procctl-5/socket")
        #expect(SocketPath.resolve(option: nil, environment: [:], uid: 0) == "/run/procctl/socket")
    }

    @Test func whatFitsIntoAnAddress() throws {
        try SocketPath.check("/" + String(repeating: "x", count: 106))
        try SocketPath.check("socket")
        let long = "/" + String(repeating: "x", count: 107)
        #expect(throws: SocketPathError.tooLong(long, bytes: 108)) { try SocketPath.check(long) }
        #expect(SocketPathError.tooLong(long, bytes: 108).description.contains("107"))
        // Bytes count, not characters.
        let wide = "/" + String(repeating: "ü", count: 54)
        #expect(throws: SocketPathError.tooLong(wide, bytes: 109)) { try SocketPath.check(wide) }
        #expect(throws: SocketPathError.empty) { try SocketPath.check("") }
        #expect(throws: SocketPathError.containsNUL) { try SocketPath.check("/a\0b") }
        for path in ["/a/", "/a/..", "."] {
            #expect(throws: SocketPathError.notAFileName(path)) { try SocketPath.check(path) }
        }
    }

    @Test func aDefaultDirectoryIsMade() throws {
        for name in ["procctl", "procctl-\(geteuid())"] {
            try SocketPath.prepareDirectory(of: scratch.file("\(name)/socket"))
            var info = stat()
            try #require(lstat(scratch.file(name), &info) == 0)
            #expect(info.st_mode & 0o7777 == 0o700)
            #expect(info.st_uid == geteuid())
            try SocketPath.prepareDirectory(of: scratch.file("\(name)/socket"))
            try SocketPath.checkDirectory(of: scratch.file("\(name)/socket"))
        }
    }

    @Test func anyOtherDirectoryMustBeThere() throws {
        try SocketPath.prepareDirectory(of: scratch.file("s"))
        for path in ["other/socket", "procctl/other", "procctl-1/socket", "a/procctl/socket"] {
            let error = #expect(throws: SocketPathError.self) {
                try SocketPath.prepareDirectory(of: scratch.file(path), uid: geteuid())
            }
            #expect(try #require(error).description.contains("No such file or directory"))
        }
        #expect(access(scratch.file("procctl"), F_OK) != 0)
        #expect(throws: SocketPathError.self) { try SocketPath.checkDirectory(of: scratch.file("procctl/socket")) }
    }

    @Test func aLinkOrAFileIsNoDirectory() throws {
        mkdir(scratch.file("real"), 0o700)
        symlink("real", scratch.file("procctl"))
        let link = scratch.file("procctl")
        #expect(throws: SocketPathError.symbolicLink(link)) { try SocketPath.prepareDirectory(of: link + "/socket") }
        // Slashes before the name do not make it be followed.
        #expect(throws: SocketPathError.symbolicLink(link)) { try SocketPath.prepareDirectory(of: link + "//s") }
        let file = try scratch.write("", to: "file")
        #expect(throws: SocketPathError.notADirectory(file)) { try SocketPath.prepareDirectory(of: file + "/s") }
    }

    @Test func othersMayNotWrite() throws {
        let directory = scratch.file("d")
        mkdir(directory, 0o700)
        for mode in [0o770, 0o702, 0o777] as [mode_t] {
            chmod(directory, mode)
            #expect(throws: SocketPathError.writableByOthers(directory)) {
                try SocketPath.prepareDirectory(of: directory + "/s")
            }
        }
        chmod(directory, 0o755)
        try SocketPath.prepareDirectory(of: directory + "/s")
        #expect(throws: SocketPathError.shared("/tmp")) { try SocketPath.prepareDirectory(of: "/tmp/s") }
        #expect(SocketPathError.shared("/tmp").description.contains("directory of your own"))
    }

    /// Who may, gives the directory to another user; a plain user asks as another.
    @Test func aForeignDirectoryIsRefused() throws {
        let given = chown(scratch.path, 4242, getegid()) == 0
        let owner = given ? 4242 : geteuid()
        let asking = given ? geteuid() : 4242
        guard owner != 0 else {
            // Root of a user namespace with no other user in it: its directories are good for everybody.
            try SocketPath.prepareDirectory(of: scratch.file("s"), uid: asking)
            return
        }
        for path in ["s", "procctl/socket"] {
            #expect(throws: SocketPathError.foreignDirectory(scratch.path, owner: owner)) {
                try SocketPath.prepareDirectory(of: scratch.file(path), uid: asking)
            }
        }
        #expect(access(scratch.file("procctl"), F_OK) != 0)
        if given {
            // Sandboxes show root's /tmp so: a directory of ours in it will do, the socket itself not.
            chown(scratch.path, 65534, 0)
            #expect(throws: SocketPathError.foreignDirectory(scratch.path, owner: 65534)) {
                try SocketPath.prepareDirectory(of: scratch.file("s"))
            }
            try SocketPath.prepareDirectory(of: scratch.file("procctl/socket"))
        }
        // Root's directories are good for everybody (in a user namespace /etc may show another owner).
        var info = stat()
        try #require(lstat("/etc", &info) == 0)
        if info.st_uid == 0 {
            try SocketPath.checkDirectory(of: "/etc/s", uid: 4242)
        } else {
            #expect(throws: SocketPathError.foreignDirectory("/etc", owner: info.st_uid)) {
                try SocketPath.checkDirectory(of: "/etc/s", uid: 4242)
            }
        }
        if given { chown(scratch.path, geteuid(), getegid()) }
    }

    @Test func aDefaultDirectoryIsNotMadeWhereOthersMayRenameIt() throws {
        chmod(scratch.path, 0o777)
        #expect(throws: SocketPathError.writableByOthers(scratch.path)) {
            try SocketPath.prepareDirectory(of: scratch.file("procctl/socket"))
        }
        chmod(scratch.path, 0o1777)
        try SocketPath.prepareDirectory(of: scratch.file("procctl/socket"))
    }
}
