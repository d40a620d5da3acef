// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// The server's ends of what a program is started with.
struct ServerEnds {
    var input: SharedDescriptor?
    var stdout: SharedDescriptor?
    var stderr: SharedDescriptor?
    var terminal: PseudoTerminal?
}

extension Supervisor {
    /// Which descriptors the program gets, and what of them stays here.
    func mappings(of spec: SpawnSpec, _ ends: inout ServerEnds) throws(LaunchFailure) -> [LaunchPlan.Mapping] {
        if let terminal = spec.terminal {
            do throws(Errno) {
                let opened = try PseudoTerminal(rows: terminal.rows, columns: terminal.columns)
                if let user = spec.user { try opened.give(to: user) }
                ends.terminal = opened
            } catch {
                throw LaunchFailure(stage: .terminal, error: error)
            }
        }
        var mappings: [LaunchPlan.Mapping] = []
        mappings.reserveCapacity(3 + spec.descriptors.count)
        let slave = ends.terminal?.slave
        let input = try source(spec.stdin, .toChild, terminal: slave, stage: .stdin) { ends.input = $0 }
        let stdout = try source(spec.stdout, .fromChild, terminal: slave, stage: .stdout) { ends.stdout = $0 }
        let stderr = try source(spec.stderr, .fromChild, terminal: slave, stage: .stderr) { ends.stderr = $0 }
        mappings.append(LaunchPlan.Mapping(target: 0, source: input, stage: .stdin))
        mappings.append(LaunchPlan.Mapping(target: 1, source: stdout, stage: .stdout))
        mappings.append(LaunchPlan.Mapping(target: 2, source: stderr, stage: .stderr))
        for (target, descriptor) in spec.descriptors {
            mappings.append(LaunchPlan.Mapping(target: target, source: .descriptor(descriptor), stage: .fds))
        }
        return mappings
    }

    /// The program's descriptor that is its terminal, if one of the three is.
    func controllingTerminal(of spec: SpawnSpec) -> Int32? {
        for (number, stream) in [spec.stdin, spec.stdout, spec.stderr].enumerated() {
            if case .terminal = stream { return Int32(number) }
        }
        return nil
    }

    private func source(
        _ spec: StreamSpec, _ direction: Pipe.Direction, terminal: SharedDescriptor?, stage: LaunchStage,
        keep: (SharedDescriptor) -> Void
    ) throws(LaunchFailure) -> LaunchPlan.Mapping.Source {
        switch spec {
        case .null, .handedOver: return .descriptor(nullDevice)
        case .descriptor(let descriptor): return .descriptor(descriptor)
        case .terminal: return .descriptor(terminal ?? nullDevice)
        case .stdout: return .target(1)
        case .file(let path, let mode):
            if direction == .toChild { return .file(path: path, flags: O_RDONLY, mode: 0) }
            let how =
                switch mode {
                case .truncate: O_CREAT | O_TRUNC
                case .append: O_CREAT | O_APPEND
                case .createNew: O_CREAT | O_EXCL
                }
            return .file(path: path, flags: O_WRONLY | how, mode: 0o666)
        case .pipe:
            do throws(Errno) {
                let pipe = try Pipe(direction)
                keep(pipe.ours)
                return .descriptor(pipe.theirs)
            } catch {
                throw LaunchFailure(stage: stage, error: error)
            }
        }
    }
}
