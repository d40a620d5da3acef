// swift-tools-version: 6.3
import PackageDescription

/// What every Swift target is compiled with.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .treatAllWarnings(as: .error),  // SE-0443
]

/// The rooms that live on the one thread of the event loop: the compiler proves it (SE-0466).
let onLoop: [SwiftSetting] = strict + [.defaultIsolation(MainActor.self)]

let package = Package(
    name: "procctl",
    products: [
        .executable(name: "procctld", targets: ["procctld"]),
        .executable(name: "procctl", targets: ["procctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .target(name: "CKernel", cSettings: [.unsafeFlags(["-std=gnu17", "-Wall", "-Wextra", "-Werror"])]),
        .target(name: "CSchema", cSettings: [.unsafeFlags(["-std=gnu2x"])]),
        .target(name: "JSON", dependencies: ["CJansson"], swiftSettings: strict),
        .target(name: "JSONRPC", dependencies: ["JSON"], swiftSettings: strict),
        .target(
            name: "Kernel",
            dependencies: [
                "CKernel",
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: strict),
        .target(
            name: "ProcessControl",
            dependencies: [
                "Kernel", "CKernel",
                .product(name: "OrderedCollections", package: "swift-collections"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: onLoop),
        .target(
            name: "Server",
            dependencies: [
                "JSON", "JSONRPC", "Kernel", "ProcessControl", "CSchema",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: onLoop),
        .executableTarget(
            name: "procctld",
            dependencies: [
                "CKernel", "Kernel", "ProcessControl", "Server",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: onLoop),
        .executableTarget(
            name: "procctl",
            dependencies: [
                "CKernel", "JSON", "JSONRPC", "Kernel", "CSchema",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            path: "clients/procctl",
            swiftSettings: strict),
        .target(name: "Dice", path: "Tests/Dice", swiftSettings: strict),
        .testTarget(name: "JSONTests", dependencies: ["JSON", "Dice"], swiftSettings: strict),
        .testTarget(name: "JSONRPCTests", dependencies: ["JSON", "JSONRPC"], swiftSettings: strict),
        .testTarget(
            name: "KernelTests",
            dependencies: ["Kernel", "CKernel", "Dice", .product(name: "SystemPackage", package: "swift-system")],
            swiftSettings: strict),
        .testTarget(
            name: "ProcessControlTests", dependencies: ["ProcessControl", "Kernel", "Dice"], swiftSettings: onLoop),
        .testTarget(
            name: "ServerTests", dependencies: ["Server", "JSON", "JSONRPC", "CSchema"], swiftSettings: onLoop),
    ],
    swiftLanguageModes: [.v6]
)
