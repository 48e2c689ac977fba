// For `require`: Node loads the package's ES modules, which wait for nothing while they are loaded.
import tinytrain = require('./index.js');
export = tinytrain;
