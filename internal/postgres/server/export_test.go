package server

// What the tests of the package see of its inside.
var (
	Downloaded = downloaded
	ExplainLog = explainLog
	ServerArgs = serverArguments
)
