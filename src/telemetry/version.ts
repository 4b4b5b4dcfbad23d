// The version that spans and metrics carry as their scope's version; a test holds it equal to package.json.

export const VERSION = '0.0.0'
