// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ProcessControl

@Suite struct ProcessTableTests {
    private let server: UInt32 = 500

    /// Like a spawn: the table gives the id.
    private func add(
        to table: inout ProcessTable, name: String? = nil, uid: UInt32 = 1000, labels: [(String, String)] = [],
        state: ProcessState = .running
    ) -> ManagedProcess {
        let process = makeProcess(table.newID(), name: name, uid: uid, labels: labels, state: state)
        table.insert(process)
        return process
    }

    /// The id of what is found, or why nothing is.
    private func find(
        _ reference: ProcessReference, in table: ProcessTable, as viewer: UInt32 = 1000
    ) -> Result<Int, NotFound> {
        do throws(Refusal) {
            return .success(try table.find(reference, viewer: viewer, serverUID: server).id)
        } catch {
            guard case .noSuchProcess(let named, let forgotten) = error, named == reference else {
                return .failure(.otherwise)
            }
            return .failure(forgotten ? .forgotten : .never)
        }
    }

    private enum NotFound: Error { case never, forgotten, otherwise }

    private func select(
        _ selector: ProcessSelector, in table: ProcessTable, as viewer: UInt32 = 1000
    ) throws -> [Int] {
        try table.select(selector, viewer: viewer, serverUID: server).map(\.id)
    }

    // MARK: By id

    @Test func idsAreNeverUsedAgain() {
        var table = ProcessTable()
        let first = add(to: &table)
        table.remove(first)
        #expect(add(to: &table).id == 2)
        #expect((0..<5).map { _ in table.newID() } == [3, 4, 5, 6, 7])
    }

    @Test func aForgottenIdIsToldFromOneThatNeverWas() {
        var table = ProcessTable()
        let first = add(to: &table)
        let second = add(to: &table)
        table.remove(first)
        #expect(find(.id(1), in: table) == .failure(.forgotten))
        #expect(find(.id(2), in: table) == .success(second.id))
        for id in [3, 0, -1, .max, .min] { #expect(find(.id(id), in: table) == .failure(.never)) }
        #expect(table.count == 1)
    }

    @Test(arguments: ProcessState.allCases) func oneThatIsStartingIsNotThereYet(_ state: ProcessState) throws {
        var table = ProcessTable()
        _ = add(to: &table, name: "a", state: state)
        let isThere = state != .starting
        #expect(find(.id(1), in: table) == (isThere ? .success(1) : .failure(.never)))
        #expect(find(.name("a"), in: table) == (isThere ? .success(1) : .failure(.never)))
        #expect(try select(.all, in: table) == (isThere ? [1] : []))
        #expect(try select(.labels([]), in: table) == (isThere ? [1] : []))
    }

    @Test func ofAnothersProcessNothingIsSaid() throws {
        var table = ProcessTable()
        _ = add(to: &table, name: "mine", uid: 1000)
        _ = add(to: &table, name: "other", uid: 1001)
        #expect(find(.id(2), in: table, as: 1000) == .failure(.never))
        #expect(find(.name("other"), in: table, as: 1000) == .failure(.never))
        #expect(try select(.all, in: table, as: 1000) == [1])
        #expect(try select(.all, in: table, as: 1001) == [2])
        for viewer in [0, server] {
            #expect(find(.id(2), in: table, as: viewer) == .success(2))
            #expect(find(.name("other"), in: table, as: viewer) == .success(2))
            #expect(try select(.all, in: table, as: viewer) == [1, 2])
        }
    }

    @Test func pidsLeadToProcesses() {
        var table = ProcessTable()
        let process = add(to: &table)
        table.setPid(4711, of: process)
        #expect(table.process(pid: 4711) === process)
        #expect(table.process(pid: 4712) == nil)
        table.clearPid(4711)
        #expect(table.process(pid: 4711) == nil)
    }

    @Test func theLivingAreKnown() {
        var table = ProcessTable()
        let processes = (0..<3).map { _ in add(to: &table) }
        processes.forEach { table.markLiving($0) }
        table.markExited(processes[0])
        table.remove(processes[1])
        #expect(Array(table.living.keys) == [3])
        #expect(Set(table.all.map(\.id)) == [1, 3])
    }

    // MARK: By name

    @Test func aNameIsItsOwnersAlone() {
        var table = ProcessTable()
        _ = add(to: &table, name: "web", uid: 1000)
        _ = add(to: &table, name: "web", uid: 1001)
        #expect(find(.name("web"), in: table, as: 1000) == .success(1))
        #expect(find(.name("web"), in: table, as: 1001) == .success(2))
        #expect(find(.name("web"), in: table, as: 1002) == .failure(.never))
        #expect(find(.name("web"), in: table, as: 0) == .failure(.never), "two have it")
        #expect(table.holder(of: "web", uid: 1000)?.id == 1)
        #expect(table.holder(of: "web", uid: 1002) == nil)
    }

    @Test func rootMeansItsOwnFirstAndThenTheOneUnexited() {
        var table = ProcessTable()
        let others = [1000, 1001].map { add(to: &table, name: "web", uid: $0) }
        others[0].end()
        #expect(find(.name("web"), in: table, as: 0) == .success(2))
        others[1].end()
        #expect(find(.name("web"), in: table, as: 0) == .success(2), "the youngest")
        _ = add(to: &table, name: "web", uid: 0)
        #expect(find(.name("web"), in: table, as: 0) == .success(3))
        #expect(find(.name("web"), in: table, as: server) == .success(3))
    }

    @Test func anExitedOnesNameMayBeTaken() {
        var table = ProcessTable()
        let first = add(to: &table, name: "web")
        #expect(table.holder(of: "web", uid: 1000) === first)
        first.end()
        #expect(table.holder(of: "web", uid: 1000) == nil)
        #expect(find(.name("web"), in: table) == .success(1))
        let second = add(to: &table, name: "web")
        #expect(table.holder(of: "web", uid: 1000) === second)
        #expect(find(.name("web"), in: table) == .success(2))
        table.remove(first)
        #expect(find(.name("web"), in: table) == .success(2))
        table.remove(second)
        #expect(find(.name("web"), in: table) == .failure(.never))
    }

    /// A start takes the name at once; while it is under way, and if it fails, the exited one is meant.
    @Test func aStartThatFailsLeavesTheNameToTheExitedOne() {
        var table = ProcessTable()
        add(to: &table, name: "web").end()
        let start = add(to: &table, name: "web", state: .starting)
        #expect(table.holder(of: "web", uid: 1000) === start)
        #expect(find(.name("web"), in: table) == .success(1))
        table.remove(start)
        #expect(table.holder(of: "web", uid: 1000) == nil)
        #expect(find(.name("web"), in: table) == .success(1))
    }

    @Test func renaming() {
        var table = ProcessTable()
        let process = add(to: &table, name: "a")
        table.rename(process, to: "b")
        #expect(process.name == "b")
        #expect(find(.name("a"), in: table) == .failure(.never))
        #expect(find(.name("b"), in: table) == .success(1))
        table.rename(process, to: nil)
        #expect(process.name == nil)
        #expect(find(.name("b"), in: table) == .failure(.never))
        _ = add(to: &table, name: "a")
        #expect(find(.name("a"), in: table) == .success(2))
    }

    @Test func renamingAnExitedOneLeavesItsSuccessorTheName() {
        var table = ProcessTable()
        let first = add(to: &table, name: "a")
        first.end()
        _ = add(to: &table, name: "a")
        table.rename(first, to: "old")
        #expect(find(.name("a"), in: table) == .success(2))
        #expect(find(.name("old"), in: table) == .success(1))
    }

    // MARK: Selectors

    @Test func aListKeepsItsOrderAndNamesEachOnce() throws {
        var table = ProcessTable()
        for name in ["a", "b", "c"] { _ = add(to: &table, name: name) }
        #expect(try select(.these([.id(3), .name("a"), .id(1), .name("c"), .id(2), .id(2)]), in: table) == [3, 1, 2])
        #expect(try select(.these([]), in: table) == [])
        #expect(throws: Refusal.self) { try select(.these([.id(1), .id(9)]), in: table) }
        #expect(throws: Refusal.self) { try select(.these([.name("z"), .id(1)]), in: table) }
    }

    @Test func labelsMustAllBeThere() throws {
        var table = ProcessTable()
        _ = add(to: &table, labels: [("job", "1"), ("kind", "test")])
        _ = add(to: &table, labels: [("job", "2"), ("kind", "test")])
        _ = add(to: &table, uid: 1001, labels: [("job", "1")])
        _ = add(to: &table, labels: [("job", "1")], state: .exited)
        #expect(try select(.labels([("job", "1")]), in: table) == [1, 4])
        #expect(try select(.labels([("kind", "test")]), in: table) == [1, 2])
        #expect(try select(.labels([("kind", "test"), ("job", "1")]), in: table) == [1])
        #expect(try select(.labels([("job", "1"), ("job", "2")]), in: table) == [])
        #expect(try select(.labels([("1", "job")]), in: table) == [])
        #expect(try select(.labels([]), in: table) == [1, 2, 4])
        #expect(try select(.labels([("job", "1")]), in: table, as: 0) == [1, 3, 4])
    }

    @Test func allComeById() throws {
        var table = ProcessTable()
        #expect(try select(.all, in: table) == [])
        for _ in 0..<200 { _ = add(to: &table) }
        #expect(try select(.all, in: table) == Array(1...200))
    }
}
