// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ProcessControl

@Suite struct PathSearchTests {
    private func program(_ argument: String, file: ProgramSpec.File? = nil) -> ProgramSpec {
        var program = ProgramSpec(arguments: [Array(argument.utf8), Array("further".utf8)])
        program.file = file
        return program
    }

    private func candidates(_ program: ProgramSpec, path: String?) -> [String]? {
        var environment = Environment()
        environment.set(Array("HOME".utf8), to: Array("/root".utf8))
        environment.set(Array("PATH".utf8), to: path.map { Array($0.utf8) })
        return PathSearch.candidates(for: program, environment: environment)?
            .map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        arguments: [
            ("ls", "/bin:/usr/bin", ["/bin/ls", "/usr/bin/ls"]),
            ("ls", nil, ["/bin/ls", "/usr/bin/ls"]),
            ("ls", "/usr", ["/usr/ls"]),
            ("ls", "/a:/b:/c", ["/a/ls", "/b/ls", "/c/ls"]),
            // An empty element is the current directory, as is an empty PATH.
            ("ls", "", ["ls"]),
            ("ls", ":", ["ls", "ls"]),
            ("ls", ":/bin", ["ls", "/bin/ls"]),
            ("ls", "/bin:", ["/bin/ls", "ls"]),
            ("ls", "/a::/b", ["/a/ls", "ls", "/b/ls"]),
            // Relative elements, and slashes at their end, stay as they are.
            ("ls", ".:bin:/bin/", ["./ls", "bin/ls", "/bin//ls"]),
            ("ls", "~/bin:$HOME", ["~/bin/ls", "$HOME/ls"]),
            // With a slash, or without a letter, there is nothing to search for.
            ("./ls", "/bin", ["./ls"]),
            ("/bin/ls", "/a:/b", ["/bin/ls"]),
            ("a/b", nil, ["a/b"]),
            ("/", "/bin", ["/"]),
            ("", "/bin", [""]),
            ("..", "/bin", ["/bin/.."]),
            ("a b", "/x y", ["/x y/a b"]),
        ] as [(String, String?, [String])])
    func aName(_ name: String, path: String?, _ expected: [String]) {
        #expect(candidates(program(name), path: path) == expected)
        #expect(candidates(program("shown", file: .name(Array(name.utf8))), path: path) == expected)
    }

    @Test(arguments: [nil, "", "/bin:/usr/bin"]) func candidatesAreTakenAsTheyAre(path: String?) {
        let list = ["ls", "", "/bin/ls", "./x"]
        let program = program("shown", file: .candidates(list.map { Array($0.utf8) }))
        #expect(candidates(program, path: path) == list)
    }

    @Test func pathsAreBytes() {
        var environment = Environment()
        environment.set(Array("PATH".utf8), to: [0xFF, 0x3A, 0xFE])
        var program = ProgramSpec(arguments: [[0xFD]])
        #expect(
            PathSearch.candidates(for: program, environment: environment) == [[0xFF, 0x2F, 0xFD], [0xFE, 0x2F, 0xFD]])
        program.file = .name([0xFC])
        #expect(PathSearch.candidates(for: program, environment: environment)?.first == [0xFF, 0x2F, 0xFC])
    }

    /// A name longer than any directory holds is tried as it is, for the kernel to say so; a PATH longer than any
    /// program can be given has no end of candidates, and none is tried.
    @Test func whatIsTooLong() {
        let most = String(repeating: "n", count: 255)
        #expect(candidates(program(most), path: "/bin") == ["/bin/" + most])
        #expect(candidates(program(most + "n"), path: "/bin") == [most + "n"])
        let path = String(repeating: ":", count: 32 * 4096 - 1)
        #expect(candidates(program("ls"), path: path)?.count == 32 * 4096)
        #expect(candidates(program("ls"), path: path + ":") == nil)
        #expect(candidates(program("/bin/ls"), path: path + ":") == ["/bin/ls"])
    }

    /// In errors stands what the caller wrote, not what was tried.
    @Test func theNameAsItWasAsked() {
        let list = ["a", "b"].map { Array($0.utf8) }
        #expect(PathSearch.asked(program("ls"), candidate: 1) == Array("ls".utf8))
        #expect(PathSearch.asked(program("ls", file: .name(list[0])), candidate: 5) == list[0])
        #expect(PathSearch.asked(program("ls", file: .candidates(list)), candidate: 1) == list[1])
        #expect(PathSearch.asked(program("ls", file: .candidates(list)), candidate: 2) == list[0])
        #expect(PathSearch.asked(program("ls", file: .candidates(list)), candidate: -1) == list[0])
        #expect(PathSearch.asked(program("ls", file: .candidates([])), candidate: 0) == [])
    }
}
